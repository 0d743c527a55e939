/* The tile instructions of AMX in plain C, for CPUs without them: the code around them is tested everywhere.
 *
 * Tiles that are not shaped hold nothing, as those of the CPU: what reads them gets what shape_tiles left there. */
#include <string.h>

#include <immintrin.h>

static _Thread_local uint8_t software_tiles[8][TILE_ROWS][TILE_BYTES];

enum { SOFTWARE_JUNK = 0x5a };
static inline void shape_tiles(void) { memset(software_tiles, SOFTWARE_JUNK, sizeof software_tiles); }
static inline void release_tiles(void) { memset(software_tiles, SOFTWARE_JUNK, sizeof software_tiles); }

static inline void software_load(int tile, const void *from, int64_t stride) {
  for (int row = 0; row < TILE_ROWS; row++)
    memcpy(software_tiles[tile][row], (const char *)from + row * stride, TILE_BYTES);
}

static inline void software_store(int tile, void *to, int64_t stride) {
  for (int row = 0; row < TILE_ROWS; row++) memcpy((char *)to + row * stride, software_tiles[tile][row], TILE_BYTES);
}

static inline void software_add_int8(int sums, int bytes, int weights) {
  for (int row = 0; row < TILE_ROWS; row++) {
    __m512i sum = _mm512_loadu_si512(software_tiles[sums][row]);
    for (int k = 0; k < TILE_ROWS; k++) {
      int32_t four;
      memcpy(&four, software_tiles[bytes][row] + 4 * k, 4);
      sum = _mm512_dpbusd_epi32(sum, _mm512_set1_epi32(four), _mm512_loadu_si512(software_tiles[weights][k]));
    }
    _mm512_storeu_si512(software_tiles[sums][row], sum);
  }
}

#define TILE_ZERO(tile) memset(software_tiles[tile], 0, sizeof software_tiles[tile])
#define TILE_LOAD(tile, from, stride) software_load(tile, from, stride)
#define TILE_STORE(tile, to, stride) software_store(tile, to, stride)
#define TILE_ADD_INT8(sums, bytes, weights) software_add_int8(sums, bytes, weights)
