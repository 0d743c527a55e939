/* Floats to uint8, as ONNX's QuantizeLinear: round(x / scale) + zero, halves to even, saturated to 0..255.
 *
 * QuantizeLinear divides by the scale, and here x is multiplied by 1 / scale, which is several times faster: the two
 * differ by one step for the few x that are within a rounding of half a step. */
#pragma once

#include "tensor.h"
#include "vector.h"

typedef struct {
  Floats inverse, lowest, highest;
  __m512i zero;
} Quantiser;

/* Values of a row that are quantised once more with another offset, and appended to the row. */
typedef struct {
  const int64_t *channels;
  const float *offsets;
  int64_t count;
} Copies;

/* Saturate before the conversion: beyond 2 ** 31 it has one result for both signs. NaN becomes 0. */
static inline __m128i to_uint8(Floats x, const Quantiser *to) {
  Floats steps = _mm512_min_ps(_mm512_max_ps(_mm512_mul_ps(x, to->inverse), to->lowest), to->highest);
  return _mm512_cvtepi32_epi8(_mm512_add_epi32(_mm512_cvtps_epi32(steps), to->zero));
}

static inline uint8_t copy_to_uint8(float x, float offset, const Quantiser *to) {
  return (uint8_t)_mm_cvtsi128_si32(to_uint8(_mm512_sub_ps(all(x), all(offset)), to));
}

/* Read inputs `first` and `first + 1`: the scale and the zero point. */
OrtStatus *read_quantiser(const Kernel *kernel, OrtKernelContext *context, size_t first, Quantiser *quantiser);

/* Read inputs `first` and `first + 1`: channels of rows that are `width` wide, and their offsets. */
OrtStatus *read_copies(const Kernel *kernel, OrtKernelContext *context, size_t first, int64_t width, Copies *copies);
