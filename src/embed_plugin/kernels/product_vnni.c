/* uint8 rows times int8 weights, exactly, with VNNI.
 *
 * The weights lie in the file as they are read: panels of 16 columns, in each the rows in fours. Six rows by four panels are
 * computed at a time: 24 sums, which with four vectors of weights and one of a row's bytes fill the registers. */
#include <string.h>

#include "product.h"

enum { MOST_ROWS = 6, MOST_PANELS = 4 };

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
        sum[r][j] = add_products(sum[r][j], bytes, w[j]);                          \
    }                                                                              \
  } while (0)

/* The numbers of rows and panels are constants where this is inlined, and all sums are registers. */
static inline __attribute__((always_inline)) void block(const Product *p, int64_t row, int64_t column, const int rows,
                                                        const int panels) {
  const int64_t depth = p->depth, groups = parts(depth, GROUP), panel = groups * LANES * GROUP;
  const uint8_t *a = p->rows + row * depth;
  const int8_t *b = p->weights + column / LANES * panel;
  __m512i sum[MOST_ROWS][MOST_PANELS], w[MOST_PANELS];
#pragma GCC unroll 6
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
    for (int j = 0; j < panels; j++)
      sum[r][j] = _mm512_setzero_si512();
  int64_t at = 0;
  for (; at + GROUP <= depth; at += GROUP, b += LANES * GROUP) ADD_GROUP(four_bytes(a + r * depth + at));
  if (at < depth) ADD_GROUP(last_bytes(a + r * depth + at, depth - at));
#pragma GCC unroll 4
  for (int j = 0; j < panels; j++) {
    const Columns columns = read_columns(p, column + j * LANES);
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++) store_result(p, p->to, &columns, sum[r][j], row + r);
  }
}

#define BLOCK(rows, panels)                                                              \
  static void block_##rows##_##panels(const Product *p, int64_t row, int64_t column) {   \
    block(p, row, column, rows, panels);                                                 \
  }
#define BLOCKS(panels) \
  BLOCK(1, panels) BLOCK(2, panels) BLOCK(3, panels) BLOCK(4, panels) BLOCK(5, panels) BLOCK(6, panels)
BLOCKS(1) BLOCKS(2) BLOCKS(3) BLOCKS(4)

#define NAMES(p) {block_1_##p, block_2_##p, block_3_##p, block_4_##p, block_5_##p, block_6_##p}
typedef void Block(const Product *, int64_t row, int64_t column);
static Block *const blocks[MOST_PANELS][MOST_ROWS] = {NAMES(1), NAMES(2), NAMES(3), NAMES(4)};

/* Panel by panel, so that four of them stay in the first cache while all rows pass. */
void multiply_by_vnni(const Product *p) {
  for (int64_t column = 0; column < p->columns; column += MOST_PANELS * LANES) {
    const int64_t panels = parts(p->columns - column, LANES);
    for (int64_t row = 0; row < p->row_count; row += MOST_ROWS) {
      const int64_t rows = p->row_count - row;
      Block *const of_rows = blocks[least(panels, MOST_PANELS) - 1][least(rows, MOST_ROWS) - 1];
      of_rows(p, row, column);
    }
  }
}
