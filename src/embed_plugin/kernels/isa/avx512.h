/* 512-bit registers: AVX-512 F, BW, DQ and VL. */
#pragma once

#include <immintrin.h>
#include <stdint.h>

#include "stack.h"

typedef __m512 Part;
typedef __m512i IntPart;
enum { PART = 16 };

static inline Part part_all(float x) { return _mm512_set1_ps(x); }
static inline Part part_load(const float *from) { return _mm512_loadu_ps(from); }
static inline void part_store(float *to, Part x) { _mm512_storeu_ps(to, x); }
static inline Part part_add(Part a, Part b) { return _mm512_add_ps(a, b); }
static inline Part part_subtract(Part a, Part b) { return _mm512_sub_ps(a, b); }
static inline Part part_multiply(Part a, Part b) { return _mm512_mul_ps(a, b); }
static inline Part part_divide(Part a, Part b) { return _mm512_div_ps(a, b); }
static inline Part part_minimum(Part a, Part b) { return _mm512_min_ps(a, b); }
static inline Part part_maximum(Part a, Part b) { return _mm512_max_ps(a, b); }
static inline Part part_absolute(Part x) { return _mm512_abs_ps(x); }
static inline Part part_multiply_add(Part a, Part b, Part c) { return _mm512_fmadd_ps(a, b, c); }
static inline Part part_where_at_least(Part x, Part bound, Part y) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, bound, _CMP_GE_OQ), y);
}
static inline Part part_lanes_of(unsigned bits, Part x) { return _mm512_maskz_mov_ps((__mmask16)bits, x); }

static inline IntPart part_all_ints(int32_t x) { return _mm512_set1_epi32(x); }
static inline IntPart part_load_ints(const int32_t *from) { return _mm512_loadu_si512(from); }
static inline IntPart part_add_ints(IntPart a, IntPart b) { return _mm512_add_epi32(a, b); }
static inline IntPart part_to_ints(Part x) { return _mm512_cvtps_epi32(x); }
static inline Part part_to_floats(IntPart x) { return _mm512_cvtepi32_ps(x); }
static inline Part part_whole_of(Part x) {
  return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline Part part_less_whole(Part x, Part whole) { return _mm512_sub_ps(x, whole); }
static inline Part part_scale_by_power(Part x, Part whole) { return _mm512_scalef_ps(x, whole); }

/* Lanes 8 apart, then 4, 2 and 1. */
#define PART_REDUCE(name, operation_256, operation)                                             \
  static inline float name(Part x) {                                                            \
    const __m256 half = operation_256(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1)); \
    __m128 y = operation(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));         \
    y = operation(y, _mm_movehl_ps(y, y));                                                      \
    return _mm_cvtss_f32(operation(y, _mm_movehdup_ps(y)));                                     \
  }
PART_REDUCE(part_sum, _mm256_add_ps, _mm_add_ps)
PART_REDUCE(part_least, _mm256_min_ps, _mm_min_ps)
PART_REDUCE(part_most, _mm256_max_ps, _mm_max_ps)
static inline int32_t part_sum_ints(IntPart x) { return _mm512_reduce_add_epi32(x); }

#include "../arithmetic/lanes.h"

INLINE void store_int16(int16_t *to, Ints x) { _mm256_storeu_si256((__m256i *)to, _mm512_cvtsepi32_epi16(x.part[0])); }

/* Saturates above only: no value of a row's range is below step 0. */
INLINE void store_bytes(uint8_t *to, Ints x) { _mm_storeu_si128((__m128i *)to, _mm512_cvtusepi32_epi8(x.part[0])); }

/* Pairs of int16, the first in the lower halves. */
INLINE Ints pairs_of(Ints first, Ints second) {
  OF_PARTS(Ints, _mm512_mask_blend_epi16(0xaaaaaaaa, first.part[i_], _mm512_slli_epi32(second.part[i_], 16)))
}

/* 16 keys of 16 int16 each, `size` apart, as 8 rows of pairs, `stride` apart. */
INLINE void store_columns(uint32_t *to, int64_t stride, const int16_t *keys, int64_t size) {
  __m512i rows[8], t[8];
  UNROLL
  for (int i = 0; i < 8; i++)
    rows[i] = _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(keys + i * size))),
                                 _mm256_loadu_si256((const __m256i *)(keys + (i + 8) * size)), 1);
  UNROLL
  for (int i = 0; i < 4; i++) {
    t[2 * i] = _mm512_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
  }
  UNROLL
  for (int i = 0; i < 2; i++) {
    rows[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
    rows[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
    rows[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
    rows[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
  }
  UNROLL
  for (int i = 0; i < 4; i++) {
    const __m512i even = _mm512_permutex2var_epi64(rows[i], _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13), rows[i + 4]);
    const __m512i odd = _mm512_permutex2var_epi64(rows[i], _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15), rows[i + 4]);
    _mm512_storeu_si512(to + i * stride, even);
    _mm512_storeu_si512(to + (i + 4) * stride, odd);
  }
}
