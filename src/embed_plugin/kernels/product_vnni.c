/* uint8 rows times int8 weights, exactly, with VNNI.
 *
 * The weights lie in the file as they are read: panels of 16 columns, in each the rows in fours. Six rows by four panels are
 * computed at a time: 24 sums, which with four vectors of weights and one of a row's bytes fill the registers. */
#include <string.h>

#include "product.h"

enum { MOST_PANELS = 4 };

/* Written out, because gcc 12 keeps the sums of _mm512_dpbusd_epi32 in memory: half the speed. */
static inline __m512i add_products(__m512i sum, __m512i bytes, __m512i weights) {
  __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(bytes), "v"(weights));
  return sum;
}

static inline __m512i four_bytes(const uint8_t *from) {
  int32_t bytes;
  memcpy(&bytes, from, GROUP);
  return _mm512_set1_epi32(bytes);
}

/* One to three bytes at the end of a row, and zeros. */
static inline __m512i last_bytes(const uint8_t *from, int64_t left) {
  return _mm512_broadcastd_epi32(_mm_maskz_loadu_epi8((__mmask16)((1u << left) - 1), from));
}

/* Four products of each row and column. */
#define ADD_GROUP(bytes_of_row)                                                    \
  do {                                                                             \
    _Pragma("GCC unroll 4") for (int j = 0; j < panels; j++)                       \
      w[j] = _mm512_loadu_si512(b + j * panel);                                    \
    _Pragma("GCC unroll 6") for (int r = 0; r < rows; r++) {                       \
      const __m512i bytes = bytes_of_row;                                          \
      _Pragma("GCC unroll 4") for (int j = 0; j < panels; j++)                     \
        sum[j][r] = add_products(sum[j][r], bytes, w[j]);                          \
    }                                                                              \
  } while (0)

/* The numbers of rows and panels are constants where this is inlined, and all sums are registers. `left` is the number of
 * columns in each panel, a constant where the panels are whole. */
static inline __attribute__((always_inline)) void block(const Product *p, int64_t row, int64_t column, int64_t left,
                                                        const int rows, const int panels) {
  const int64_t depth = p->depth, groups = parts(depth, GROUP), panel = groups * LANES * GROUP;
  const uint8_t *a = p->rows + row * depth;
  const int8_t *b = p->weights + column / LANES * panel;
  __m512i sum[MOST_PANELS][MOST_ROWS], w[MOST_PANELS];
#pragma GCC unroll 4
  for (int j = 0; j < panels; j++)
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++) sum[j][r] = _mm512_setzero_si512();
  int64_t at = 0;
  for (; at + GROUP <= depth; at += GROUP, b += LANES * GROUP) ADD_GROUP(four_bytes(a + r * depth + at));
  if (at < depth) ADD_GROUP(last_bytes(a + r * depth + at, depth - at));
#pragma GCC unroll 4
  for (int j = 0; j < panels; j++) store_results(p, sum[j], row, column + j * LANES, left, rows);
}

typedef void Block(const Product *, int64_t row, int64_t column);

#define BLOCK(rows, panels)                                                              \
  static void block_##rows##_##panels(const Product *p, int64_t row, int64_t column) {   \
    block(p, row, column, LANES, rows, panels);                                          \
  }
#define LAST(rows)                                                                       \
  static void block_##rows##_last(const Product *p, int64_t row, int64_t column) {       \
    block(p, row, column, p->columns - column, rows, 1);                                 \
  }
#define EACH(of, ...) of(1, ##__VA_ARGS__) of(2, ##__VA_ARGS__) of(3, ##__VA_ARGS__) \
                      of(4, ##__VA_ARGS__) of(5, ##__VA_ARGS__) of(6, ##__VA_ARGS__)
EACH(BLOCK, 1) EACH(BLOCK, 2) EACH(BLOCK, 3) EACH(BLOCK, 4) EACH(LAST)

#define NAMES(p) {block_1_##p, block_2_##p, block_3_##p, block_4_##p, block_5_##p, block_6_##p}
static Block *const whole[MOST_PANELS][MOST_ROWS] = {NAMES(1), NAMES(2), NAMES(3), NAMES(4)};
static Block *const last[MOST_ROWS] = NAMES(last);

static void multiply_panels(const Product *p, int64_t column, Block *const of_rows[]) {
  for (int64_t row = 0; row < p->row_count; row += MOST_ROWS)
    of_rows[least(p->row_count - row, MOST_ROWS) - 1](p, row, column);
}

/* Panel by panel, so that four of them stay in the first cache while all rows pass. */
void multiply_by_vnni(const Product *p) {
  const int64_t end = p->columns / LANES * LANES;
  for (int64_t column = 0; column < end; column += MOST_PANELS * LANES)
    multiply_panels(p, column, whole[least((end - column) / LANES, MOST_PANELS) - 1]);
  if (end < p->columns) multiply_panels(p, end, last);
}
