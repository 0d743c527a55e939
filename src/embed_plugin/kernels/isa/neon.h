/* 128-bit registers: what every aarch64 CPU has. */
#pragma once

#include <arm_neon.h>
#include <stdint.h>

typedef float32x4_t Part;
typedef int32x4_t IntPart;
enum { PART = 4 };

static inline Part part_all(float x) { return vdupq_n_f32(x); }
static inline Part part_load(const float *from) { return vld1q_f32(from); }
static inline void part_store(float *to, Part x) { vst1q_f32(to, x); }
static inline Part part_add(Part a, Part b) { return vaddq_f32(a, b); }
static inline Part part_subtract(Part a, Part b) { return vsubq_f32(a, b); }
static inline Part part_multiply(Part a, Part b) { return vmulq_f32(a, b); }
static inline Part part_divide(Part a, Part b) { return vdivq_f32(a, b); }
static inline Part part_minimum(Part a, Part b) { return vminq_f32(a, b); }
static inline Part part_maximum(Part a, Part b) { return vmaxq_f32(a, b); }
static inline Part part_absolute(Part x) { return vabsq_f32(x); }
static inline Part part_multiply_add(Part a, Part b, Part c) { return vfmaq_f32(c, a, b); }

static inline Part part_where(uint32x4_t there, Part x) {
  return vreinterpretq_f32_u32(vandq_u32(there, vreinterpretq_u32_f32(x)));
}
static inline Part part_where_at_least(Part x, Part bound, Part y) { return part_where(vcgeq_f32(x, bound), y); }
static inline Part part_lanes_of(unsigned bits, Part x) {
  static const uint32_t each[PART] = {1, 2, 4, 8};
  return part_where(vtstq_u32(vdupq_n_u32(bits), vld1q_u32(each)), x);
}

static inline IntPart part_all_ints(int32_t x) { return vdupq_n_s32(x); }
static inline IntPart part_load_ints(const int32_t *from) { return vld1q_s32(from); }
static inline IntPart part_add_ints(IntPart a, IntPart b) { return vaddq_s32(a, b); }
static inline IntPart part_to_ints(Part x) { return vcvtnq_s32_f32(x); }
static inline Part part_to_floats(IntPart x) { return vcvtq_f32_s32(x); }

/* A whole number is in the last bits of it + 1.5 * 2 ** 23. Many CPUs round and convert in one of their units alone, and
 * add in all of them. */
#define TO_WHOLE 12582912.0f
static inline Part part_whole_of(Part x) { return vaddq_f32(x, vdupq_n_f32(TO_WHOLE)); }
static inline Part part_less_whole(Part x, Part whole) {
  return vsubq_f32(x, vsubq_f32(whole, vdupq_n_f32(TO_WHOLE)));
}
static inline Part part_scale_by_power(Part x, Part whole) {
  const int32x4_t power = vshlq_n_s32(vreinterpretq_s32_f32(whole), 23);
  return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(x), power));
}

/* Lanes 2 apart, then 1. */
static inline float part_sum(Part x) {
  const float32x2_t y = vadd_f32(vget_low_f32(x), vget_high_f32(x));
  return vget_lane_f32(vpadd_f32(y, y), 0);
}
static inline float part_least(Part x) { return vminvq_f32(x); }
static inline float part_most(Part x) { return vmaxvq_f32(x); }
static inline int32_t part_sum_ints(IntPart x) { return vaddvq_s32(x); }

#include "../arithmetic/lanes.h"

/* Saturates. */
INLINE int16x8_t int16_of(IntPart low, IntPart high) { return vqmovn_high_s32(vqmovn_s32(low), high); }

INLINE void store_int16(int16_t *to, Ints x) {
  const int16x8_t low = int16_of(x.part[0], x.part[1]), high = int16_of(x.part[2], x.part[3]);
  memcpy(to, &low, sizeof low); /* the memory may be of pairs */
  memcpy(to + 8, &high, sizeof high);
}

INLINE void store_bytes(uint8_t *to, Ints x) {
  const uint8x8_t low = vqmovun_s16(int16_of(x.part[0], x.part[1]));
  vst1q_u8(to, vqmovun_high_s16(low, int16_of(x.part[2], x.part[3])));
}

/* Sixteen pairs of int16 lie as two registers of the first ones and two of the second ones: an instruction multiplies
 * eight neighbouring int16 by one number, and none adds neighbouring products of int16. */
INLINE Ints pairs_of(Ints first, Ints second) {
  Ints y;
  UNROLL
  for (int i = 0; i < 2; i++) {
    y.part[i] = vreinterpretq_s32_s16(vmovn_high_s32(vmovn_s32(first.part[2 * i]), first.part[2 * i + 1]));
    y.part[2 + i] = vreinterpretq_s32_s16(vmovn_high_s32(vmovn_s32(second.part[2 * i]), second.part[2 * i + 1]));
  }
  return y;
}

enum { TRANSPOSED = 8 };

/* Exchange the neighbours 1, 2 or 4 int16 apart that are on the wrong side of the diagonal of two rows. */
#define EXCHANGE(a, b, type)                                                                                     \
  do {                                                                                                           \
    const int16x8_t a_ = a, b_ = b;                                                                              \
    a = vreinterpretq_s16_##type(vtrn1q_##type(vreinterpretq_##type##_s16(a_), vreinterpretq_##type##_s16(b_))); \
    b = vreinterpretq_s16_##type(vtrn2q_##type(vreinterpretq_##type##_s16(a_), vreinterpretq_##type##_s16(b_))); \
  } while (0)
#define vreinterpretq_s16_s16(x) (x)

/* Eight rows of eight as columns. */
INLINE void transpose(int16x8_t x[TRANSPOSED]) {
  UNROLL
  for (int i = 0; i < 8; i += 2) EXCHANGE(x[i], x[i + 1], s16);
  UNROLL
  for (int i = 0; i < 8; i += i % 4 ? 3 : 1) EXCHANGE(x[i], x[i + 2], s32);
  UNROLL
  for (int i = 0; i < 4; i++) EXCHANGE(x[i], x[i + 4], s64);
}

/* 16 keys of 16 int16 each, `size` apart, as 8 rows of pairs, `stride` apart. */
INLINE void store_columns(uint32_t *to, int64_t stride, const int16_t *keys, int64_t size) {
  for (int key = 0; key < LANES; key += TRANSPOSED)
    for (int channel = 0; channel < LANES; channel += TRANSPOSED) {
      int16x8_t x[TRANSPOSED];
      UNROLL
      for (int i = 0; i < TRANSPOSED; i++) x[i] = vld1q_s16(keys + (key + i) * size + channel);
      transpose(x);
      UNROLL
      for (int i = 0; i < TRANSPOSED; i++) /* the first ones of sixteen pairs, then the second ones */
        memcpy(to + (channel + i) / 2 * stride + i % 2 * LANES / 2 + key / 2, &x[i], sizeof x[i]);
    }
}

/* The products of both halves, added to each lane. */
INLINE Ints add_pairs(Ints sums, Ints pairs, uint32_t pair) {
  const int16x4_t by = vcreate_s16(pair);
  UNROLL
  for (int i = 0; i < 2; i++) {
    const int16x8_t first = vreinterpretq_s16_s32(pairs.part[i]), second = vreinterpretq_s16_s32(pairs.part[2 + i]);
    sums.part[2 * i] = vmlal_lane_s16(sums.part[2 * i], vget_low_s16(first), by, 0);
    sums.part[2 * i + 1] = vmlal_high_lane_s16(sums.part[2 * i + 1], first, by, 0);
    sums.part[2 * i] = vmlal_lane_s16(sums.part[2 * i], vget_low_s16(second), by, 1);
    sums.part[2 * i + 1] = vmlal_high_lane_s16(sums.part[2 * i + 1], second, by, 1);
  }
  return sums;
}
