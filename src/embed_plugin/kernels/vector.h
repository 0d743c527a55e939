/* Sixteen floats at a time, and the tail of a row that is no multiple of sixteen. */
#pragma once

#include <immintrin.h>
#include <stdint.h>

typedef __m512 Floats;
enum { LANES = 16 };

static inline Floats all(float x) { return _mm512_set1_ps(x); }

/* The first `left` lanes, all of them when there are more. */
static inline __mmask16 lanes(int64_t left) {
  return left >= LANES ? 0xffff : (__mmask16)((1u << (left > 0 ? left : 0)) - 1);
}

/* Whole vectors take the instruction without a mask: with one, Zen 4 stores many times slower. */
static inline Floats load(const float *from, int64_t left) {
  return left >= LANES ? _mm512_loadu_ps(from) : _mm512_maskz_loadu_ps(lanes(left), from);
}

static inline void store(float *to, Floats x, int64_t left) {
  if (left >= LANES)
    _mm512_storeu_ps(to, x);
  else
    _mm512_mask_storeu_ps(to, lanes(left), x);
}

static inline void store_uint8(uint8_t *to, __m128i x, int64_t left) {
  if (left >= LANES)
    _mm_storeu_si128((__m128i *)to, x);
  else
    _mm_mask_storeu_epi8(to, lanes(left), x);
}
