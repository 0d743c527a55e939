/* The parts of a product, and the steps that turn its sums into results:
 *
 *     result = scale * (sum((q - 128) * weight) * multiplier) + sum of terms * term_weights + bias */
#pragma once

#include "quantise.h"

enum { GROUP = 4 }; /* rows of a weight that lie together: one instruction adds up four products */
enum { MOST_ROWS = 6 }; /* rows whose sums are registers */

typedef struct {
  const uint8_t *rows;
  const float *terms; /* of each row: scale, middle, the kept channels */
  const int8_t *weights;
  const int32_t *correction; /* -128 times the sum of a column's weights */
  const float *multiplier, *term_weights, *bias; /* term_weights: a row for the middle, and one for each kept channel */
  int64_t row_count, depth, columns, term_count;
  float *result;
} Product;

/* How many parts of a size there are, the last of which may be smaller. */
static inline int64_t parts(int64_t count, int64_t size) { return (count + size - 1) / size; }
static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Both give the same results, bit for bit: sums of whole numbers, and the shared steps below. The second returns 0 and
 * does nothing if there is no memory for it. */
void multiply_by_vnni(const Product *p);
int multiply_by_tiles(const Product *p);

/* The results of `rows` rows by 16 columns, the first at `row` and `first`, of which `left` are there. The sums include no
 * correction. A result is rounded in the same steps, in the same order, whatever rows are beside it. */
static inline __attribute__((always_inline)) void store_results(const Product *p, const __m512i sums[], int64_t row,
                                                                int64_t first, int64_t left, const int rows) {
  const int64_t count = p->term_count;
  const float *terms = p->terms + row * count, *weights = p->term_weights + first;
  const __m512i correction = _mm512_maskz_loadu_epi32(lanes(left), p->correction + first);
  const Floats multiplier = load(p->multiplier + first, left), bias = load(p->bias + first, left);
  Floats y[MOST_ROWS];
#pragma GCC unroll 6
  for (int r = 0; r < rows; r++) y[r] = bias;
  for (int64_t i = MIDDLE; i < count; i++, weights += p->columns) {
    const Floats weight = load(weights, left);
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++) y[r] = _mm512_fmadd_ps(all(terms[r * count + i]), weight, y[r]);
  }
#pragma GCC unroll 6
  for (int r = 0; r < rows; r++) {
    const Floats exact = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_add_epi32(sums[r], correction)), multiplier);
    y[r] = _mm512_fmadd_ps(exact, all(terms[r * count + SCALE]), y[r]);
    store(p->result + (row + r) * p->columns + first, y[r], left);
  }
}
