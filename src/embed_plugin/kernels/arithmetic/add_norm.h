/* y = LayerNorm(a + b) as floats and as rows. */
#pragma once

#include "quantise.h"

enum { SUMS = 4 }; /* independent partial sums: an addition need not wait for the one before */

INLINE float mean_of(const Floats sums[SUMS], int64_t width) {
  return sum_of(add(add(sums[0], sums[1]), add(sums[2], sums[3]))) / (float)width;
}

/* y = a + b of one row; returns the mean of y. */
INLINE float add_row(const float *a, const float *b, float *y, int64_t width) {
  Floats sums[SUMS] = {all(0), all(0), all(0), all(0)};
  int64_t i = 0;
  for (; i + SUMS * LANES <= width; i += SUMS * LANES)
UNROLL
    for (int k = 0; k < SUMS; k++) {
      const Floats x = add(load(a + i + k * LANES), load(b + i + k * LANES));
      store(y + i + k * LANES, x);
      sums[k] = add(sums[k], x);
    }
  for (; i < width; i += LANES) {
    const Floats x = add(load_first(a + i, width - i), load_first(b + i, width - i));
    store_first(y + i, x, width - i);
    sums[0] = add(sums[0], x);
  }
  return mean_of(sums, width);
}

/* The variance of y: the mean of (y - mean)^2. The mean of squares less the square of the mean would cancel where the
 * mean is large. */
INLINE float variance(const float *y, float mean, int64_t width) {
  const Floats centre = all(mean);
  Floats sums[SUMS] = {all(0), all(0), all(0), all(0)};
  int64_t i = 0;
  for (; i + SUMS * LANES <= width; i += SUMS * LANES)
UNROLL
    for (int k = 0; k < SUMS; k++) {
      const Floats x = subtract(load(y + i + k * LANES), centre);
      sums[k] = multiply_add(x, x, sums[k]);
    }
  for (; i < width; i += LANES) {
    const int64_t left = width - i;
    Floats x = subtract(load_first(y + i, left), centre);
    if (left < LANES) x = lanes_of((uint16_t)((1u << left) - 1), x);
    sums[0] = multiply_add(x, x, sums[0]);
  }
  return mean_of(sums, width);
}

typedef struct {
  Floats centre, factor;
} Moments;

/* Replace the sums in a part of a row, from `i` on, by their norm. */
INLINE Floats write_part(const AddNorm *call, Moments of, float *y, int64_t i, int64_t left) {
  const Floats x = multiply(subtract(load_first(y + i, left), of.centre), of.factor);
  const Floats norm = multiply_add(x, load_first(call->gamma + i, left), load_first(call->beta + i, left));
  store_first(y + i, norm, left);
  return norm;
}

/* The row's sum is kept in y, where the next passes find it in the nearest cache. */
static void add_norm_row(const AddNorm *call, const Kept *kept, int64_t row, Rows out) {
  const int64_t width = kept->width;
  float *y = call->y + row * width;
  const float mean = add_row(call->a + row * width, call->b + row * width, y, width);
  const Moments of = {all(mean), all(1.0f / sqrtf(variance(y, mean, width) + call->epsilon))};
  Range range = no_range();
  int64_t i = 0;
  for (; i + LANES <= width; i += LANES) widen(&range, write_part(call, of, y, i, LANES), kept->quantised[i / LANES]);
  if (i < width) widen(&range, write_part(call, of, y, i, width - i), kept->quantised[i / LANES]);
  quantise_within(kept, &range, y, out);
}

static void add_norm(const AddNorm *call, const Kept *kept, Rows out) {
  for (int64_t r = 0; r < call->count; r++) add_norm_row(call, kept, r, after(out, kept, r));
}
