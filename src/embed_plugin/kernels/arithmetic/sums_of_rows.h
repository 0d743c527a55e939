/* Sums over a row and over rows, each in one order. */
#pragma once

#include <math.h>

#include "lanes.h"

enum { SUMS = 4 }; /* independent partial sums: an addition need not wait for the one before */

INLINE float total_of(const Floats sums[SUMS]) { return sum_of(add(add(sums[0], sums[1]), add(sums[2], sums[3]))); }

/* The sum of (x - centre)^2. */
INLINE float sum_of_squares(const float *x, float centre, int64_t width) {
  Floats sums[SUMS] = {all(0), all(0), all(0), all(0)};
  int64_t i = 0;
  for (; i + SUMS * LANES <= width; i += SUMS * LANES)
    UNROLL
    for (int k = 0; k < SUMS; k++) {
      const Floats off = subtract(load(x + i + k * LANES), all(centre));
      sums[k] = multiply_add(off, off, sums[k]);
    }
  for (; i < width; i += LANES) {
    const int64_t left = width - i;
    Floats off = subtract(load_first(x + i, left), all(centre));
    if (left < LANES) off = lanes_of((uint16_t)((1u << left) - 1), off);
    sums[0] = multiply_add(off, off, sums[0]);
  }
  return total_of(sums);
}

static void sum_rows(const float *x, int64_t count, int64_t width, float *y) {
  for (int64_t i = 0; i < width; i += LANES) {
    Floats sum = all(0);
    for (int64_t r = 0; r < count; r++) sum = add(sum, load_first(x + r * width + i, width - i));
    store_first(y + i, sum, width - i);
  }
}

static void scale_to_unit(const float *x, int64_t width, float epsilon, float *y) {
  const Floats length = all(sqrtf(sum_of_squares(x, 0, width) + epsilon));
  for (int64_t i = 0; i < width; i += LANES) store_first(y + i, divide(load_first(x + i, width - i), length), width - i);
}

/* The sum of products of two rows. */
INLINE float dot(const float *a, const float *b, int64_t width) {
  Floats sums[SUMS] = {all(0), all(0), all(0), all(0)};
  int64_t i = 0;
  for (; i + SUMS * LANES <= width; i += SUMS * LANES)
    UNROLL
    for (int k = 0; k < SUMS; k++)
      sums[k] = multiply_add(load(a + i + k * LANES), load(b + i + k * LANES), sums[k]);
  for (; i < width; i += LANES) sums[0] = multiply_add(load_first(a + i, width - i), load_first(b + i, width - i), sums[0]);
  return total_of(sums);
}

static void multiply_rows(const float *rows, int64_t count, int64_t width, const float *x, float *y) {
  for (int64_t r = 0; r < count; r++) y[r] = dot(rows + r * width, x, width);
}
