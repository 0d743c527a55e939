/* y = LayerNorm(a + b) as floats and as rows. */
#pragma once

#include "quantise.h"
#include "sums_of_rows.h"

/* y = a + b of one row, b may be null; returns the mean of y. */
INLINE float add_row(const float *a, const float *b, float *y, int64_t width) {
  Floats sums[SUMS] = {all(0), all(0), all(0), all(0)};
  int64_t i = 0;
  for (; i + SUMS * LANES <= width; i += SUMS * LANES)
    UNROLL
    for (int k = 0; k < SUMS; k++) {
      const Floats of_a = load(a + i + k * LANES), x = b ? add(of_a, load(b + i + k * LANES)) : of_a;
      store(y + i + k * LANES, x);
      sums[k] = add(sums[k], x);
    }
  for (; i < width; i += LANES) {
    const Floats of_a = load_first(a + i, width - i), x = b ? add(of_a, load_first(b + i, width - i)) : of_a;
    store_first(y + i, x, width - i);
    sums[0] = add(sums[0], x);
  }
  return total_of(sums) / (float)width;
}

typedef struct {
  Floats centre, factor;
} Moments;

/* Replace the sums in a part of a row, from `i` on, by their norm. */
INLINE Floats write_part(const Norm *call, Moments of, float *y, int64_t i, int64_t left) {
  const Floats x = multiply(subtract(load_first(y + i, left), of.centre), of.factor);
  const Floats norm = multiply_add(x, load_first(call->gamma + i, left), load_first(call->beta + i, left));
  store_first(y + i, norm, left);
  return norm;
}

/* The row's sum is kept in y, where the next passes find it in the nearest cache. The variance is the mean of (y - mean)^2:
 * the mean of squares less the square of the mean would cancel where the mean is large. */
INLINE float *add_norm_row(const Norm *call, int64_t row, Moments *of) {
  const int64_t width = call->width;
  float *y = call->y + row * width;
  const float mean = add_row(call->a + row * width, call->b ? call->b + row * width : NULL, y, width);
  const float variance = sum_of_squares(y, mean, width) / (float)width;
  *of = (Moments){all(mean), all(1.0f / sqrtf(variance + call->epsilon))};
  return y;
}

static void norm(const Norm *call) {
  for (int64_t r = 0; r < call->count; r++) {
    Moments of;
    float *y = add_norm_row(call, r, &of);
    for (int64_t i = 0; i < call->width; i += LANES) write_part(call, of, y, i, call->width - i);
  }
}

static void norm_and_quantise(const Norm *call, const Kept *kept, Rows out) {
  const int64_t width = call->width;
  for (int64_t r = 0; r < call->count; r++) {
    Moments of;
    float *y = add_norm_row(call, r, &of);
    Range range = no_range();
    int64_t i = 0;
    for (; i + LANES <= width; i += LANES) widen(&range, write_part(call, of, y, i, LANES), kept->quantised[i / LANES]);
    if (i < width) widen(&range, write_part(call, of, y, i, width - i), kept->quantised[i / LANES]);
    quantise_within(kept, &range, y, after(out, kept, r));
  }
}
