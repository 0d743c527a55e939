/* AddNormQuantise: y = LayerNorm(a + b), and y as uint8 for the product that follows. */
#include <math.h>

#include "operators.h"
#include "quantise.h"

enum { SUMS = 4 }; /* independent partial sums: an addition need not wait for the one before */

typedef struct {
  const float *gamma, *beta;
  int64_t width;
  float epsilon;
} Norm;

/* y = a + b of one row; returns the mean of y. */
static inline float add_row(const float *a, const float *b, float *y, int64_t width) {
  Floats sums[SUMS] = {all(0), all(0), all(0), all(0)};
  int64_t i = 0;
  for (; i + SUMS * LANES <= width; i += SUMS * LANES)
    for (int k = 0; k < SUMS; k++) {
      const int64_t at = i + k * LANES;
      const Floats x = _mm512_add_ps(_mm512_loadu_ps(a + at), _mm512_loadu_ps(b + at));
      _mm512_storeu_ps(y + at, x);
      sums[k] = _mm512_add_ps(sums[k], x);
    }
  for (; i < width; i += LANES) {
    const Floats x = _mm512_add_ps(load(a + i, width - i), load(b + i, width - i));
    store(y + i, x, width - i);
    sums[0] = _mm512_add_ps(sums[0], x);
  }
  const Floats sum = _mm512_add_ps(_mm512_add_ps(sums[0], sums[1]), _mm512_add_ps(sums[2], sums[3]));
  return _mm512_reduce_add_ps(sum) / (float)width;
}

/* The variance of y: the mean of (y - mean)^2. The mean of squares less the square of the mean would cancel where the
 * mean is large. */
static inline float variance(const float *y, float mean, int64_t width) {
  const Floats centre = all(mean);
  Floats sums[SUMS] = {all(0), all(0), all(0), all(0)};
  int64_t i = 0;
  for (; i + SUMS * LANES <= width; i += SUMS * LANES)
    for (int k = 0; k < SUMS; k++) {
      const Floats x = _mm512_sub_ps(_mm512_loadu_ps(y + i + k * LANES), centre);
      sums[k] = _mm512_fmadd_ps(x, x, sums[k]);
    }
  for (; i < width; i += LANES) {
    const Floats x = _mm512_maskz_sub_ps(lanes(width - i), load(y + i, width - i), centre);
    sums[0] = _mm512_fmadd_ps(x, x, sums[0]);
  }
  const Floats sum = _mm512_add_ps(_mm512_add_ps(sums[0], sums[1]), _mm512_add_ps(sums[2], sums[3]));
  return _mm512_reduce_add_ps(sum) / (float)width;
}

typedef struct {
  Floats centre, factor;
} Moments;

/* Replace the sums in a part of a row, from `i` on, by their norm. */
static inline Floats write_part(const Norm *norm, Moments of, float *y, int64_t i, int64_t left) {
  Floats x = _mm512_mul_ps(_mm512_sub_ps(load(y + i, left), of.centre), of.factor);
  x = _mm512_fmadd_ps(x, load(norm->gamma + i, left), load(norm->beta + i, left));
  store(y + i, x, left);
  return x;
}

/* The row's sum is kept in y, where the next passes find it in the nearest cache. */
static void add_norm_row(const Norm *norm, const Kept *kept, const float *a, const float *b, float *y, uint8_t *q,
                         float *terms) {
  const int64_t width = norm->width;
  const float mean = add_row(a, b, y, width);
  const Moments of = {all(mean), all(1.0f / sqrtf(variance(y, mean, width) + norm->epsilon))};
  Range range = {all(0), all(0)};
  int64_t i = 0;
  for (; i + LANES <= width; i += LANES) widen(&range, write_part(norm, of, y, i, LANES), kept->quantised[i / LANES]);
  if (i < width) widen(&range, write_part(norm, of, y, i, width - i), kept->quantised[i / LANES]);
  quantise_within(kept, &range, y, q, terms);
}

OrtStatus *add_norm_quantise(void *instance, OrtKernelContext *context) {
  const Kernel *kernel = instance;
  Tensor a, b, gamma, beta;
  TRY(read_input(kernel, context, 0, &a));
  TRY(read_input(kernel, context, 1, &b));
  TRY(read_input(kernel, context, 2, &gamma));
  TRY(read_input(kernel, context, 3, &beta));
  EXPECT(kernel, a.rank >= 1 && same_shape(&a, &b), "AddNormQuantise: both summands must be of one shape, (..., h)");
  const Norm norm = {gamma.data, beta.data, a.dimensions[a.rank - 1], kernel->epsilon};
  EXPECT(kernel, gamma.count == norm.width && beta.count == norm.width, "AddNormQuantise: gamma and beta must be (h,)");
  Kept kept;
  uint8_t *q;
  float *terms;
  void *y;
  TRY(read_kept(kernel, context, 4, norm.width, &kept));
  TRY(create_output(kernel, context, 0, &a, 0, &y));
  TRY(create_rows(kernel, context, 1, &a, &kept, &q, &terms));
  const float *a_row = a.data, *b_row = b.data;
  float *y_row = y;
  for (int64_t left = a.count; left > 0; left -= norm.width) {
    add_norm_row(&norm, &kept, a_row, b_row, y_row, q, terms);
    a_row += norm.width, b_row += norm.width, y_row += norm.width, q += norm.width, terms += term_count(&kept);
  }
  return NULL;
}
