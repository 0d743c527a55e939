/* NEON with matrices of int8: an instruction multiplies two rows of eight uint8 by two columns of eight int8, into four sums.
 * Three pairs of rows by 16 columns are summed at a time: 24 registers of sums. */
#define MOST_PANELS 1
#define ATTENDED_ROWS 4
#define ATTENDED_VECTORS 1
#include "neon.h"

#include "../arithmetic/sums.h"

enum { PAIRS = MOST_ROWS / 2, DEPTH = 2 * GROUP, FOUR_COLUMNS = 4 * GROUP };

/* The sums of two rows by two columns: by row, then by column. */
typedef int32x4_t Squares[PAIRS][LANES / 2];

/* The lower row of a pair; where their number is odd, the last row stands twice. */
static inline int64_t lower(int pair, int rows) { return 2 * pair + 1 < rows ? 2 * pair + 1 : 2 * pair; }

/* Less than eight bytes of a row, and zeros. */
INLINE uint8x8_t last_bytes(const uint8_t *from, int64_t left) {
  uint8_t some[DEPTH] = {0};
  memcpy(some, from, (size_t)left);
  return vld1_u8(some);
}

/* Eight rows of the weights, or four and zeros. No load of weights may pass the products before it: gcc would load many
 * early, and keep sums in memory for lack of registers. */
INLINE void add_squares(Squares sums, const uint8x16_t bytes[PAIRS], const int8_t *weights, int pairs, int has_both) {
  UNROLL
  for (int i = 0; i < PARTS; i++) {
    const int32x4_t first = vreinterpretq_s32_s8(vld1q_s8(weights + i * FOUR_COLUMNS));
    const int8_t *below = weights + LANES * GROUP + i * FOUR_COLUMNS;
    const int32x4_t second = has_both ? vreinterpretq_s32_s8(vld1q_s8(below)) : vdupq_n_s32(0);
    const int8x16_t left = vreinterpretq_s8_s32(vzip1q_s32(first, second));
    const int8x16_t right = vreinterpretq_s8_s32(vzip2q_s32(first, second));
    UNROLL
    for (int p = 0; p < pairs; p++) {
      sums[p][2 * i] = vusmmlaq_s32(sums[p][2 * i], bytes[p], left);
      sums[p][2 * i + 1] = vusmmlaq_s32(sums[p][2 * i + 1], bytes[p], right);
    }
    __asm__ volatile("" : : : "memory");
  }
}

/* Row `row` of a square of four columns, of which each half has two. */
INLINE int32x4_t row_of(int32x4_t left, int32x4_t right, const int row) {
  const int64x2_t a = vreinterpretq_s64_s32(left), b = vreinterpretq_s64_s32(right);
  return vreinterpretq_s32_s64(row ? vzip2q_s64(a, b) : vzip1q_s64(a, b));
}

INLINE void sum_block(const Product *p, int64_t row, int64_t column, Sums sums, const int rows, const int panels) {
  (void)panels;
  const int64_t depth = p->depth;
  const int pairs = (rows + 1) / 2;
  const uint8_t *a = p->rows + row * depth;
  const int8_t *b = panel_at(p, column);
  Squares squares;
  UNROLL
  for (int i = 0; i < pairs; i++)
    UNROLL
    for (int j = 0; j < LANES / 2; j++) squares[i][j] = vdupq_n_s32(0);
  const int64_t whole = depth / DEPTH * DEPTH;
  if (whole < depth) { /* first, so that the sums of the loop are nothing else's */
    uint8x16_t bytes[PAIRS];
    for (int i = 0; i < pairs; i++)
      bytes[i] = vcombine_u8(last_bytes(a + 2 * i * depth + whole, depth - whole),
                             last_bytes(a + lower(i, rows) * depth + whole, depth - whole));
    add_squares(squares, bytes, b + whole * LANES, pairs, depth - whole > GROUP);
  }
  for (int64_t at = 0; at < whole; at += DEPTH, b += LANES * DEPTH) {
    uint8x16_t bytes[PAIRS];
    UNROLL
    for (int i = 0; i < pairs; i++)
      bytes[i] = vcombine_u8(vld1_u8(a + 2 * i * depth + at), vld1_u8(a + lower(i, rows) * depth + at));
    add_squares(squares, bytes, b, pairs, 1);
  }
  UNROLL
  for (int r = 0; r < rows; r++)
    UNROLL
    for (int i = 0; i < PARTS; i++)
      sums[0][r].part[i] = row_of(squares[r / 2][2 * i], squares[r / 2][2 * i + 1], r % 2);
}

#include "../arithmetic/table.h"

TABLE(i8mm_arithmetic, "i8mm", multiply_all);
