/* A row of floats as uint8, with a scale and a zero point of its own, and the terms that complete a product of it.
 *
 * x is nearly (q - zero) * scale, where the range scale * (0..255 - zero) is that of the row and holds 0. A product sums
 * (q - 128) * weight exactly and takes the rest from the row's terms: scale, middle = (128 - zero) * scale, and the values
 * of the channels that are kept as they are, because they would widen the range of all others. They count as 0 in it.
 *
 * Each step has one result on every CPU: minimum and maximum are exact, the others are single operations of IEEE 754. */
#pragma once

#include "tensor.h"
#include "vector.h"

enum { STEPS = 255, CENTRE = 128 };
enum { SCALE, MIDDLE, FIRST_KEPT }; /* a row's terms, in order */
enum { WIDEST = 1 << 15 };

/* The scale of a row of zeros, so that its inverse is finite. */
#define SMALLEST_SCALE 1e-30f

/* Rows of `width` channels, of which `count` are kept. */
typedef struct {
  const int64_t *channels;
  int64_t count, width;
  __mmask16 quantised[WIDEST / LANES]; /* the channels that are not kept, of each vector of a row */
} Kept;

static inline int64_t term_count(const Kept *kept) { return FIRST_KEPT + kept->count; }

/* Read input `index`, the kept channels of rows that are `width` wide. */
OrtStatus *read_kept(const Kernel *kernel, OrtKernelContext *context, size_t index, int64_t width, Kept *kept);

/* Create outputs `index`, uint8 of the shape of `like` but `width` wide, and `index + 1`, the rows' terms. */
OrtStatus *create_rows(const Kernel *kernel, OrtKernelContext *context, size_t index, const Tensor *like,
                       const Kept *kept, uint8_t **rows, float **terms);

typedef struct {
  Floats least, most;
} Range;

static inline void widen(Range *range, Floats x, __mmask16 quantised) {
  range->least = _mm512_mask_min_ps(range->least, quantised, range->least, x);
  range->most = _mm512_mask_max_ps(range->most, quantised, range->most, x);
}

/* Saturates above only: a value of the range is never below step 0. */
static inline __m128i to_uint8(Floats x, Floats inverse, __m512i zero) {
  return _mm512_cvtusepi32_epi8(_mm512_add_epi32(_mm512_cvtps_epi32(_mm512_mul_ps(x, inverse)), zero));
}

/* Write a row, whose range is known. */
static inline void quantise_within(const Kept *kept, const Range *range, const float *x, uint8_t *row, float *terms) {
  const int64_t width = kept->width;
  const float least = _mm512_reduce_min_ps(range->least), most = _mm512_reduce_max_ps(range->most);
  const float steps = (most - least) / STEPS, scale = steps > SMALLEST_SCALE ? steps : SMALLEST_SCALE;
  const float inverse = 1 / scale;
  const __m512i zero = _mm512_cvtps_epi32(all(-least * inverse));
  terms[SCALE] = scale;
  terms[MIDDLE] = scale * (float)(CENTRE - _mm512_cvtsi512_si32(zero));
  for (int64_t i = 0; i < kept->count; i++) terms[FIRST_KEPT + i] = x[kept->channels[i]];
  int64_t i = 0;
  for (; i + LANES <= width; i += LANES) store_uint8(row + i, to_uint8(_mm512_loadu_ps(x + i), all(inverse), zero), LANES);
  if (i < width) store_uint8(row + i, to_uint8(load(x + i, width - i), all(inverse), zero), width - i);
}

static inline void quantise_row(const Kept *kept, const float *x, uint8_t *row, float *terms) {
  Range even = {all(0), all(0)}, odd = even;
  int64_t i = 0;
  for (; i + 2 * LANES <= kept->width; i += 2 * LANES) {
    widen(&even, _mm512_loadu_ps(x + i), kept->quantised[i / LANES]);
    widen(&odd, _mm512_loadu_ps(x + i + LANES), kept->quantised[i / LANES + 1]);
  }
  for (; i < kept->width; i += LANES) widen(&even, load(x + i, kept->width - i), kept->quantised[i / LANES]);
  const Range range = {_mm512_min_ps(even.least, odd.least), _mm512_max_ps(even.most, odd.most)};
  quantise_within(kept, &range, x, row, terms);
}
