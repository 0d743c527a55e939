/* The tile instructions of AMX in plain C, for CPUs without them: the code around them is tested everywhere. */
#include <string.h>

#include <immintrin.h>

static _Thread_local uint8_t software_tiles[8][16][64];

static inline void software_load(int tile, const void *from, int64_t stride) {
  for (int row = 0; row < 16; row++) memcpy(software_tiles[tile][row], (const char *)from + row * stride, 64);
}

static inline void software_store(int tile, void *to, int64_t stride) {
  for (int row = 0; row < 16; row++) memcpy((char *)to + row * stride, software_tiles[tile][row], 64);
}

static inline void software_add_int8(int sums, int bytes, int weights) {
  for (int row = 0; row < 16; row++) {
    __m512i sum = _mm512_loadu_si512(software_tiles[sums][row]);
    for (int k = 0; k < 16; k++) {
      int32_t four;
      memcpy(&four, software_tiles[bytes][row] + 4 * k, 4);
      sum = _mm512_dpbusd_epi32(sum, _mm512_set1_epi32(four), _mm512_loadu_si512(software_tiles[weights][k]));
    }
    _mm512_storeu_si512(software_tiles[sums][row], sum);
  }
}

static inline void software_add_bf16(int sums, int rows, int columns) {
  for (int row = 0; row < 16; row++) {
    __m512 sum = _mm512_loadu_ps(software_tiles[sums][row]);
    for (int k = 0; k < 16; k++) {
      int32_t pair;
      memcpy(&pair, software_tiles[rows][row] + 4 * k, 4);
      sum = _mm512_dpbf16_ps(sum, (__m512bh)_mm512_set1_epi32(pair),
                             (__m512bh)_mm512_loadu_si512(software_tiles[columns][k]));
    }
    _mm512_storeu_ps(software_tiles[sums][row], sum);
  }
}

#define TILE_ZERO(tile) memset(software_tiles[tile], 0, sizeof software_tiles[tile])
#define TILE_LOAD(tile, from, stride) software_load(tile, from, stride)
#define TILE_STORE(tile, to, stride) software_store(tile, to, stride)
#define TILE_ADD_INT8(sums, bytes, weights) software_add_int8(sums, bytes, weights)
#define TILE_ADD_BF16(sums, rows, columns) software_add_bf16(sums, rows, columns)
