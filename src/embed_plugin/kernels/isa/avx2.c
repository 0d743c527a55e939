/* AVX2 without VNNI. Pairs of products are added up in 32 bits as they are made: four of uint8 and int8 in 16 bits, which
 * is another instruction and faster, would saturate. */
#define MOST_PANELS 1
#define ATTENDED_ROWS 4
#define ATTENDED_VECTORS 1
#include "avx2.h"

#include "../arithmetic/sums.h"
#include "../scratch.h"

enum { ROWS_AT_ONCE = 96 }; /* rows that are widened at a time: they stay in the second cache */

/* Written out, because gcc 12 would keep the sums in memory. */
INLINE __m256i add_words(__m256i sums, __m256i a, __m256i b) {
  __m256i products;
  __asm__("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0" : "+x"(sums), "=&x"(products) : "x"(a), "x"(b));
  return sums;
}

/* The products of both halves, added to each lane. */
INLINE Ints add_pairs(Ints sums, Ints pairs, uint32_t pair) {
  OF_PARTS(Ints, add_words(sums.part[i_], pairs.part[i_], _mm256_set1_epi32((int)pair)))
}

INLINE __m256i four_weights(const int8_t *from) { return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)from)); }

/* Half a panel: eight columns, of which a register has four, each as the sums of its even and its odd pairs. */
INLINE void sum_half(const int16_t *a, int64_t depth, const int8_t *b, Sums sums, const int half, const int rows) {
  __m256i sum[MOST_ROWS][2];
  UNROLL
  for (int r = 0; r < rows; r++) sum[r][0] = sum[r][1] = _mm256_setzero_si256();
  b += half * LANES * GROUP / 2;
  for (int64_t at = 0; at < depth; at += GROUP, b += LANES * GROUP) {
    const __m256i low = four_weights(b), high = four_weights(b + LANES);
    UNROLL
    for (int r = 0; r < rows; r++) {
      int64_t four;
      memcpy(&four, a + r * depth + at, sizeof four);
      const __m256i words = _mm256_set1_epi64x(four);
      sum[r][0] = add_words(sum[r][0], low, words);
      sum[r][1] = add_words(sum[r][1], high, words);
    }
  }
  UNROLL
  for (int r = 0; r < rows; r++)
    sums[0][r].part[half] = _mm256_permute4x64_epi64(_mm256_hadd_epi32(sum[r][0], sum[r][1]), 0xd8);
}

/* The rows of `p` are int16 here, a multiple of four of them. */
INLINE void sum_block(const Product *p, int64_t row, int64_t column, Sums sums, const int rows, const int panels) {
  (void)panels;
  const int64_t depth = parts(p->depth, GROUP) * GROUP;
  const int16_t *a = (const int16_t *)(const void *)p->rows + row * depth;
  sum_half(a, depth, panel_at(p, column), sums, 0, rows);
  sum_half(a, depth, panel_at(p, column), sums, 1, rows);
}

#include "../arithmetic/table.h"

static void widen_row(const uint8_t *from, int64_t depth, int16_t *to) {
  int64_t i = 0;
  for (; i + LANES <= depth; i += LANES)
    _mm256_storeu_si256((__m256i *)(to + i), _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(from + i))));
  for (; i < depth; i++) to[i] = from[i];
  for (; i % GROUP; i++) to[i] = 0;
}

static int multiply_widened(const Product *p) {
  const int64_t depth = parts(p->depth, GROUP) * GROUP, step = least(p->row_count, ROWS_AT_ONCE);
  int16_t *wide = scratch(SCRATCH_ROWS, (size_t)(step * depth) * sizeof *wide);
  if (!wide) return 0;
  Product some = *p;
  some.rows = (const uint8_t *)(const void *)wide;
  for (int64_t row = 0; row < p->row_count; row += step) {
    some.row_count = least(p->row_count - row, step);
    some.terms = p->terms + row * p->term_count, some.result = p->result + row * p->stride;
    for (int64_t r = 0; r < some.row_count; r++) widen_row(p->rows + (row + r) * p->depth, p->depth, wide + r * depth);
    multiply_all(&some);
  }
  return 1;
}

TABLE(avx2_arithmetic, "avx2", multiply_widened);
