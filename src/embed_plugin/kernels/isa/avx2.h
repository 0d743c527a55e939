/* 256-bit registers: AVX2 and FMA. */
#pragma once

#include <immintrin.h>
#include <stdint.h>

#include "stack.h"

typedef __m256 Part;
typedef __m256i IntPart;
enum { PART = 8 };

static inline Part part_all(float x) { return _mm256_set1_ps(x); }
static inline Part part_load(const float *from) { return _mm256_loadu_ps(from); }
static inline void part_store(float *to, Part x) { _mm256_storeu_ps(to, x); }
static inline Part part_add(Part a, Part b) { return _mm256_add_ps(a, b); }
static inline Part part_subtract(Part a, Part b) { return _mm256_sub_ps(a, b); }
static inline Part part_multiply(Part a, Part b) { return _mm256_mul_ps(a, b); }
static inline Part part_divide(Part a, Part b) { return _mm256_div_ps(a, b); }
static inline Part part_minimum(Part a, Part b) { return _mm256_min_ps(a, b); }
static inline Part part_maximum(Part a, Part b) { return _mm256_max_ps(a, b); }
static inline Part part_absolute(Part x) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x); }
static inline Part part_multiply_add(Part a, Part b, Part c) { return _mm256_fmadd_ps(a, b, c); }
static inline Part part_where_at_least(Part x, Part bound, Part y) {
  return _mm256_and_ps(_mm256_cmp_ps(x, bound, _CMP_GE_OQ), y);
}

static inline Part part_lanes_of(unsigned bits, Part x) {
  const __m256i each = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  const __m256i set = _mm256_and_si256(_mm256_set1_epi32((int)bits), each);
  return _mm256_and_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(set, each)), x);
}

static inline IntPart part_all_ints(int32_t x) { return _mm256_set1_epi32(x); }
static inline IntPart part_load_ints(const int32_t *from) { return _mm256_loadu_si256((const __m256i *)from); }
static inline IntPart part_add_ints(IntPart a, IntPart b) { return _mm256_add_epi32(a, b); }
static inline IntPart part_to_ints(Part x) { return _mm256_cvtps_epi32(x); }
static inline Part part_to_floats(IntPart x) { return _mm256_cvtepi32_ps(x); }

/* A whole number is in the last bits of it + 1.5 * 2 ** 23. */
#define TO_WHOLE 12582912.0f
static inline Part part_whole_of(Part x) { return _mm256_add_ps(x, _mm256_set1_ps(TO_WHOLE)); }
static inline Part part_less_whole(Part x, Part whole) {
  return _mm256_sub_ps(x, _mm256_sub_ps(whole, _mm256_set1_ps(TO_WHOLE)));
}
static inline Part part_scale_by_power(Part x, Part whole) {
  const __m256i power = _mm256_slli_epi32(_mm256_castps_si256(whole), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), power));
}

/* Lanes 4 apart, then 2, then 1. */
#define PART_REDUCE(name, operation)                                              \
  static inline float name(Part x) {                                              \
    __m128 y = operation(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1)); \
    y = operation(y, _mm_movehl_ps(y, y));                                        \
    return _mm_cvtss_f32(operation(y, _mm_movehdup_ps(y)));                       \
  }
PART_REDUCE(part_sum, _mm_add_ps)
PART_REDUCE(part_least, _mm_min_ps)
PART_REDUCE(part_most, _mm_max_ps)

static inline int32_t part_sum_ints(IntPart x) {
  __m128i y = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  y = _mm_add_epi32(y, _mm_shuffle_epi32(y, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(y, _mm_shuffle_epi32(y, 0xb1)));
}

#include "../arithmetic/lanes.h"

/* Saturates. */
INLINE __m256i int16_of(Ints x) {
  return _mm256_permute4x64_epi64(_mm256_packs_epi32(x.part[0], x.part[1]), 0xd8);
}

INLINE void store_int16(int16_t *to, Ints x) { _mm256_storeu_si256((__m256i *)to, int16_of(x)); }

INLINE void store_bytes(uint8_t *to, Ints x) {
  const __m256i y = int16_of(x);
  _mm_storeu_si128((__m128i *)to, _mm_packus_epi16(_mm256_castsi256_si128(y), _mm256_extracti128_si256(y, 1)));
}

/* Pairs of int16, the first in the lower halves. */
INLINE Ints pairs_of(Ints first, Ints second) {
  OF_PARTS(Ints, _mm256_blend_epi16(first.part[i_], _mm256_slli_epi32(second.part[i_], 16), 0xaa))
}

enum { TRANSPOSED = 8 };

/* Eight rows of eight, `stride` apart, as columns. */
INLINE void transpose(uint32_t *to, int64_t stride, const __m256i rows[TRANSPOSED]) {
  __m256i t[TRANSPOSED], u[TRANSPOSED];
  UNROLL
  for (int i = 0; i < 4; i++) {
    t[2 * i] = _mm256_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
    t[2 * i + 1] = _mm256_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
  }
  UNROLL
  for (int i = 0; i < 2; i++) {
    u[4 * i] = _mm256_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
    u[4 * i + 1] = _mm256_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
    u[4 * i + 2] = _mm256_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
    u[4 * i + 3] = _mm256_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
  }
  UNROLL
  for (int i = 0; i < 4; i++) {
    _mm256_storeu_si256((__m256i *)(to + i * stride), _mm256_permute2x128_si256(u[i], u[i + 4], 0x20));
    _mm256_storeu_si256((__m256i *)(to + (i + 4) * stride), _mm256_permute2x128_si256(u[i], u[i + 4], 0x31));
  }
}

/* 16 keys of 16 int16 each, `size` apart, as 8 rows of pairs, `stride` apart. */
INLINE void store_columns(uint32_t *to, int64_t stride, const int16_t *keys, int64_t size) {
  for (int half = 0; half < LANES; half += TRANSPOSED) {
    __m256i rows[TRANSPOSED];
    for (int i = 0; i < TRANSPOSED; i++) rows[i] = _mm256_loadu_si256((const __m256i *)(keys + (half + i) * size));
    transpose(to + half, stride, rows);
  }
}
