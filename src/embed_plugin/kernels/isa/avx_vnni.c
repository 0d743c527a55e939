/* 256-bit registers and VNNI: AVX-VNNI. The instructions are written out, for an assembler knows two forms of them, and gcc
 * 12 keeps the sums of its own functions in memory. */
#define MOST_PANELS 1
#define ATTENDED_ROWS 4
#define ATTENDED_VECTORS 1
#include "avx2.h"

#include "../arithmetic/sums.h"

INLINE __m256i add_bytes(__m256i sums, __m256i bytes, __m256i weights) {
  __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sums) : "x"(bytes), "x"(weights));
  return sums;
}

INLINE __m256i add_words(__m256i sums, __m256i a, __m256i b) {
  __asm__("%{vex%} vpdpwssd %2, %1, %0" : "+x"(sums) : "x"(a), "x"(b));
  return sums;
}

/* The products of both halves, added to each lane. */
INLINE Ints add_pairs(Ints sums, Ints pairs, uint32_t pair) {
  OF_PARTS(Ints, add_words(sums.part[i_], pairs.part[i_], _mm256_set1_epi32((int)pair)))
}

/* Four products of each row and column. */
#define ADD_GROUP(bytes_of_row)                                             \
  do {                                                                      \
    const Ints w = load_ints(b);                                            \
    UNROLL for (int r = 0; r < rows; r++) {                                 \
      const __m256i bytes = _mm256_set1_epi32((int)(bytes_of_row));         \
      sums[0][r].part[0] = add_bytes(sums[0][r].part[0], bytes, w.part[0]); \
      sums[0][r].part[1] = add_bytes(sums[0][r].part[1], bytes, w.part[1]); \
    }                                                                       \
  } while (0)

INLINE void sum_block(const Product *p, int64_t row, int64_t column, Sums sums, const int rows, const int panels) {
  (void)panels;
  const int64_t depth = p->depth;
  const uint8_t *a = p->rows + row * depth;
  const int8_t *b = panel_at(p, column);
  UNROLL
  for (int r = 0; r < rows; r++) sums[0][r] = all_ints(0);
  int64_t at = 0;
  for (; at + GROUP <= depth; at += GROUP, b += LANES * GROUP) ADD_GROUP(bytes_at(a + r * depth + at, GROUP));
  if (at < depth) ADD_GROUP(bytes_at(a + r * depth + at, depth - at));
}

#include "../arithmetic/table.h"

TABLE(avx_vnni_arithmetic, "avx-vnni", multiply_all);
