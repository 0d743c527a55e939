/* AMX: eight registers ("tiles") of 16 rows of 64 bytes, and instructions that multiply two of them into a third.
 *
 * A product adds to each of 16 x 16 sums of 32 bits: rows of the first tile times columns of the second, whose rows hold
 * four int8 or two bf16 for each of 16 columns, as the packed weights, keys and values do.
 *
 * The instructions are written out: gcc 12's own functions do not say that a tile's load reads memory. */
#pragma once

#include <stdint.h>

enum { TILE_ROWS = 16, TILE_BYTES = 64 };

/* 1 if operators that are made now may use tiles. The first call requests permission from Linux. */
int may_use_tiles(void);

/* Make all eight tiles 16 rows of 64 bytes, until release_tiles. Other code in the thread may have configured
 * them otherwise, so each operator does both. */
void shape_tiles(void);
void release_tiles(void);

#ifdef SOFTWARE_TILES /* a header with the macros below in plain C, for tests */
#include SOFTWARE_TILES
#else

#ifdef WITHOUT_TILES /* for an assembler that does not know them */
#define TILE(...) (void)0
#else
#define TILE(...) __asm__ volatile(__VA_ARGS__)
#endif
#define TILE_ZERO(tile) TILE("tilezero %%tmm" #tile ::)
#define TILE_LOAD(tile, from, stride) \
  TILE("tileloadd (%0,%1), %%tmm" #tile : : "r"(from), "r"((int64_t)(stride)) : "memory")
#define TILE_STORE(tile, to, stride) \
  TILE("tilestored %%tmm" #tile ", (%0,%1)" : : "r"(to), "r"((int64_t)(stride)) : "memory")
#define TILE_ADD_INT8(sums, bytes, weights) TILE("tdpbusd %%tmm" #weights ", %%tmm" #bytes ", %%tmm" #sums ::)
#define TILE_ADD_BF16(sums, rows, columns) TILE("tdpbf16ps %%tmm" #columns ", %%tmm" #rows ", %%tmm" #sums ::)

#endif
