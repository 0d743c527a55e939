/* NEON with the dot product of int8 and int8: an instruction adds four products to each of four columns. A row's bytes are
 * uint8: 128 is taken from each, and its products with all weights are there before the first sum. Six rows by 16 columns
 * are summed at a time: 24 sums, which with six registers of rows and one or two of weights are all there are. */
#define MOST_PANELS 1
#define ATTENDED_ROWS 4
#define ATTENDED_VECTORS 1
#include "neon.h"

#include "../arithmetic/sums.h"

static const uint8_t centre[GROUP] = {CENTRE, CENTRE, CENTRE, CENTRE};

INLINE int8x16_t factors_of(uint8x16_t bytes) { return vreinterpretq_s8_u8(veorq_u8(bytes, vdupq_n_u8(CENTRE))); }

/* Past the last byte they are 0, whatever the weights are there. */
INLINE int8x16_t last_factors(const uint8_t *from, int64_t left) {
  return vreinterpretq_s8_u32(vdupq_n_u32(bytes_at(from, left) ^ bytes_at(centre, left)));
}

INLINE Ints sums_before(const Product *p, int64_t column) {
  const Ints correction = load_first_ints(p->correction + column, p->columns - column);
  OF_PARTS(Ints, vnegq_s32(correction.part[i_]))
}

enum { AT_ONCE = 4 * GROUP }; /* bytes of a row in a register */

/* Four products of each row and column: of the four of a row's bytes that is so named. No load of weights may pass the
 * products before it: gcc would load many early, and keep sums in memory for lack of registers. */
#define ADD_GROUP(four)                                                                \
  do {                                                                                 \
    UNROLL for (int i = 0; i < PARTS; i++) {                                           \
      const int8x16_t w = vld1q_s8(b + (four * PARTS + i) * AT_ONCE);                  \
      UNROLL for (int r = 0; r < rows; r++)                                            \
        sums[0][r].part[i] = vdotq_laneq_s32(sums[0][r].part[i], w, factors[r], four); \
      __asm__ volatile("" : : : "memory");                                             \
    }                                                                                  \
  } while (0)

INLINE void sum_block(const Product *p, int64_t row, int64_t column, Sums sums, const int rows, const int panels) {
  (void)panels;
  const int64_t depth = p->depth;
  const uint8_t *a = p->rows + row * depth;
  const int8_t *b = panel_at(p, column);
  int8x16_t factors[MOST_ROWS];
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

#include "../arithmetic/table.h"

TABLE(dotprod_arithmetic, "dotprod", multiply_all);
