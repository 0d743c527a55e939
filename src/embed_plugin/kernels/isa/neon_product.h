/* The sums of a product, with an instruction that adds four products of int8 to each of four columns. Six rows by 16 columns
 * are summed at a time: 24 sums, which with six registers of rows and one or two of weights are all there are.
 *
 * What comes before this says how:
 *   Factors                                  sixteen bytes of a row as the instruction takes them
 *   factors_of(bytes), last_factors(from, left)   those of 16 bytes, and of up to four
 *   sums_before(p, column)                   the sums before the first product
 *   ADD_BYTES(sums, weights, factors, four)  add the products of a four of them, the first, second, third or last */
#pragma once

#include "../arithmetic/sums.h"

enum { AT_ONCE = 4 * GROUP }; /* bytes of a row in a register */

/* Four products of each row and column: of the four of a row's bytes that is so named. No load of weights may pass the
 * products before it: gcc would load many early, and keep sums in memory for lack of registers. */
#define ADD_GROUP(four)                                                          \
  do {                                                                           \
    UNROLL for (int i = 0; i < PARTS; i++) {                                     \
      const int8x16_t w = vld1q_s8(b + (four * PARTS + i) * AT_ONCE);            \
      UNROLL for (int r = 0; r < rows; r++)                                      \
        sums[0][r].part[i] = ADD_BYTES(sums[0][r].part[i], w, factors[r], four); \
      __asm__ volatile("" : : : "memory");                                       \
    }                                                                            \
  } while (0)

INLINE void sum_block(const Product *p, int64_t row, int64_t column, Sums sums, const int rows, const int panels) {
  (void)panels;
  const int64_t depth = p->depth;
  const uint8_t *a = p->rows + row * depth;
  const int8_t *b = panel_at(p, column);
  Factors factors[MOST_ROWS];
  const Ints start = sums_before(p, column);
  UNROLL
  for (int r = 0; r < rows; r++) sums[0][r] = start;
  int64_t at = 0;
  for (; at + AT_ONCE <= depth; at += AT_ONCE, b += LANES * AT_ONCE) {
    UNROLL
    for (int r = 0; r < rows; r++) factors[r] = factors_of(vld1q_u8(a + r * depth + at));
    ADD_GROUP(0);
    ADD_GROUP(1);
    ADD_GROUP(2);
    ADD_GROUP(3);
  }
  for (; at + GROUP <= depth; at += GROUP, b += LANES * GROUP) {
    UNROLL
    for (int r = 0; r < rows; r++) factors[r] = last_factors(a + r * depth + at, GROUP);
    ADD_GROUP(0);
  }
  if (at == depth) return;
  UNROLL
  for (int r = 0; r < rows; r++) factors[r] = last_factors(a + r * depth + at, depth - at);
  ADD_GROUP(0);
}
