/* y = LayerNorm(a + b), or RMSNorm(a + b), as floats and as rows. */
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

/* The norm of a part of a row, from `i` on, whose sums are in y, in the row `to`. */
INLINE Floats write_part(const Norm *call, Moments of, const float *y, float *to, int64_t i, int64_t left, const int beta) {
  const Floats x = multiply(subtract(load_first(y + i, left), of.centre), of.factor), gamma = load_first(call->gamma + i, left);
  const Floats norm = beta ? multiply_add(x, gamma, load_first(call->beta + i, left)) : multiply(x, gamma);
  store_first(to + i, norm, left);
  return norm;
}

/* The row's sum is kept in y, where the next passes find it in the nearest cache. The variance is the mean of (y - mean)^2:
 * the mean of squares less the square of the mean would cancel where the mean is large. */
INLINE float *add_norm_row(const Norm *call, int64_t row, Moments *of) {
  const int64_t width = call->width;
  float *y = call->y + row * width;
  const float mean = add_row(call->a + row * width, call->b ? call->b + row * width : NULL, y, width);
  const float centre = call->rms ? 0 : mean;
  const float variance = sum_of_squares(y, centre, width) / (float)width;
  *of = (Moments){all(centre), all(1.0f / sqrtf(variance + call->epsilon))};
  return y;
}

INLINE void norm_each(const Norm *call, const int beta) {
  for (int64_t r = 0; r < call->count; r++) {
    Moments of;
    float *y = add_norm_row(call, r, &of);
    for (int64_t i = 0; i < call->width; i += LANES) write_part(call, of, y, y, i, call->width - i, beta);
  }
}

static void norm(const Norm *call) {
  if (call->beta)
    norm_each(call, 1);
  else
    norm_each(call, 0);
}

INLINE void norm_and_quantise_row(const Norm *call, const Kept *kept, int64_t row, Rows out, const int apart, const int beta) {
  const int64_t width = call->width;
  Moments of;
  float *y = add_norm_row(call, row, &of), *to = apart ? call->normed : y;
  Range range = no_range();
  int64_t i = 0;
  for (; i + LANES <= width; i += LANES)
    widen(&range, write_part(call, of, y, to, i, LANES, beta), kept->quantised[i / LANES]);
  if (i < width) widen(&range, write_part(call, of, y, to, i, width - i, beta), kept->quantised[i / LANES]);
  quantise_within(kept, &range, to, after(out, kept, row));
}

#define EACH_ROW(apart, beta) \
  for (int64_t r = 0; r < call->count; r++) norm_and_quantise_row(call, kept, r, out, apart, beta)

static void norm_and_quantise(const Norm *call, const Kept *kept, Rows out) {
  if (call->normed && call->beta)
    EACH_ROW(1, 1);
  else if (call->normed)
    EACH_ROW(1, 0);
  else if (call->beta)
    EACH_ROW(0, 1);
  else
    EACH_ROW(0, 0);
}
