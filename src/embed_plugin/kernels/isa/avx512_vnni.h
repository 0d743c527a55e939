/* AVX-512 with VNNI: products and attention. Six rows by four panels are summed at a time: 24 sums, which with four
 * registers of weights and one of a row's bytes are nearly all. */
#pragma once

#define MOST_PANELS 4
#define ATTENDED_ROWS 8
#define ATTENDED_VECTORS 2
#include "avx512.h"

#include "../arithmetic/sums.h"

/* Written out, because gcc 12 keeps the sums of its own functions in memory: half the speed. */
INLINE __m512i add_bytes(__m512i sums, __m512i bytes, __m512i weights) {
  __asm__("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(bytes), "v"(weights));
  return sums;
}

INLINE __m512i add_words(__m512i sums, __m512i a, __m512i b) {
  __asm__("vpdpwssd %2, %1, %0" : "+v"(sums) : "v"(a), "v"(b));
  return sums;
}

/* The products of both halves, added to each lane. */
INLINE Ints add_pairs(Ints sums, Ints pairs, uint32_t pair) {
  OF_PARTS(Ints, add_words(sums.part[i_], pairs.part[i_], _mm512_set1_epi32((int)pair)))
}

/* Four products of each row and column. */
#define ADD_GROUP(bytes_of_row)                                                  \
  do {                                                                           \
    UNROLL for (int j = 0; j < panels; j++) w[j] = load_ints(b + j * panel);     \
    UNROLL for (int r = 0; r < rows; r++) {                                      \
      const __m512i bytes = _mm512_set1_epi32((int)(bytes_of_row));              \
      UNROLL for (int j = 0; j < panels; j++)                                    \
        sums[j][r].part[0] = add_bytes(sums[j][r].part[0], bytes, w[j].part[0]); \
    }                                                                            \
  } while (0)

INLINE void sum_block(const Product *p, int64_t row, int64_t column, Sums sums, const int rows, const int panels) {
  const int64_t depth = p->depth, panel = panel_size(p);
  const uint8_t *a = p->rows + row * depth;
  const int8_t *b = panel_at(p, column);
  Ints w[MOST_PANELS];
  UNROLL
  for (int j = 0; j < panels; j++)
    UNROLL
    for (int r = 0; r < rows; r++) sums[j][r] = all_ints(0);
  int64_t at = 0;
  for (; at + GROUP <= depth; at += GROUP, b += LANES * GROUP) ADD_GROUP(bytes_at(a + r * depth + at, GROUP));
  if (at < depth) ADD_GROUP(bytes_at(a + r * depth + at, depth - at));
}

#include "../arithmetic/table.h"
