/* AMX: eight registers ("tiles") of 16 rows of 64 bytes, and instructions that multiply two of them into a third.
 *
 * A product adds to each of 16 x 16 sums of 32 bits: rows of the first tile times columns of the second, whose rows hold
 * four int8 for each of 16 columns, as the packed weights do.
 *
 * The instructions are written out: gcc 12's own functions do not say that a tile's load reads memory. */
#pragma once

#include <stdint.h>

enum { TILE_ROWS = 16, TILE_BYTES = 64 };

#ifdef SOFTWARE_TILES /* a header with the macros and functions below in plain C, for tests */
#include SOFTWARE_TILES
#else

typedef struct {
  uint8_t palette, start_row, reserved[14];
  uint16_t bytes[16];
  uint8_t rows[16];
} Shapes;

/* Make all eight tiles 16 rows of 64 bytes, until release_tiles. Other code in the thread may have configured
 * them otherwise, so each operator does both. */
static inline void shape_tiles(void) {
#define EIGHT(x) {x, x, x, x, x, x, x, x}
  static const Shapes whole = {.palette = 1, .bytes = EIGHT(TILE_BYTES), .rows = EIGHT(TILE_ROWS)};
  __asm__ volatile("ldtilecfg %0" : : "m"(whole));
}
static inline void release_tiles(void) { __asm__ volatile("tilerelease"); }

#define TILE(...) __asm__ volatile(__VA_ARGS__)
#define TILE_ZERO(tile) TILE("tilezero %%tmm" #tile ::)
#define TILE_LOAD(tile, from, stride) \
  TILE("tileloadd (%0,%1), %%tmm" #tile : : "r"(from), "r"((int64_t)(stride)) : "memory")
#define TILE_STORE(tile, to, stride) \
  TILE("tilestored %%tmm" #tile ", (%0,%1)" : : "r"(to), "r"((int64_t)(stride)) : "memory")
#define TILE_ADD_INT8(sums, bytes, weights) TILE("tdpbusd %%tmm" #weights ", %%tmm" #bytes ", %%tmm" #sums ::)

#endif
