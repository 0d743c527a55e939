/* One number is a register: the reference for all others, in C alone. */
#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "fused.h"

typedef float Part;
typedef int32_t IntPart;
enum { PART = 1 };

static inline Part part_all(float x) { return x; }
static inline Part part_load(const float *from) { return *from; }
static inline void part_store(float *to, Part x) { *to = x; }
static inline Part part_add(Part a, Part b) { return a + b; }
static inline Part part_subtract(Part a, Part b) { return a - b; }
static inline Part part_multiply(Part a, Part b) { return a * b; }
static inline Part part_divide(Part a, Part b) { return a / b; }
static inline Part part_minimum(Part a, Part b) { return a < b ? a : b; }
static inline Part part_maximum(Part a, Part b) { return a > b ? a : b; }
static inline Part part_absolute(Part x) { return fabsf(x); }
#if defined SOFTWARE_FMA || (defined _WIN32 && defined __x86_64__ && !defined __FMA__)
static inline Part part_multiply_add(Part a, Part b, Part c) { return fused_multiply_add(a, b, c); }
#else
static inline Part part_multiply_add(Part a, Part b, Part c) { return fmaf(a, b, c); }
#endif
static inline Part part_where_at_least(Part x, Part bound, Part y) { return x >= bound ? y : 0; }
static inline Part part_lanes_of(unsigned bits, Part x) { return bits & 1 ? x : 0; }

static inline IntPart part_all_ints(int32_t x) { return x; }
static inline IntPart part_load_ints(const int32_t *from) { return *from; }
static inline IntPart part_add_ints(IntPart a, IntPart b) { return (int32_t)((uint32_t)a + (uint32_t)b); }
static inline Part part_to_floats(IntPart x) { return (float)x; }

/* What is no int32 is the least one, as on x86. */
static inline IntPart part_to_ints(Part x) {
  return x >= -2147483648.0f && x < 2147483648.0f ? (int32_t)lrintf(x) : INT32_MIN;
}

/* A whole number is in the last bits of it + 1.5 * 2 ** 23. */
#define TO_WHOLE 12582912.0f
static inline Part part_whole_of(Part x) { return x + TO_WHOLE; }
static inline Part part_less_whole(Part x, Part whole) { return x - (whole - TO_WHOLE); }
static inline Part part_scale_by_power(Part x, Part whole) {
  uint32_t bits, power;
  memcpy(&bits, &x, sizeof bits);
  memcpy(&power, &whole, sizeof power);
  bits += power << 23;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static inline float part_sum(Part x) { return x; }
static inline float part_least(Part x) { return x; }
static inline float part_most(Part x) { return x; }
static inline int32_t part_sum_ints(IntPart x) { return x; }

#include "../arithmetic/lanes.h"

INLINE void store_bytes(uint8_t *to, Ints x) {
  for (int i = 0; i < LANES; i++) to[i] = (uint8_t)(x.part[i] < 0 ? 0 : x.part[i] > 255 ? 255 : x.part[i]);
}

INLINE void store_int16(int16_t *to, Ints x) {
  int16_t some[LANES];
  for (int i = 0; i < LANES; i++)
    some[i] = (int16_t)(x.part[i] < INT16_MIN ? INT16_MIN : x.part[i] > INT16_MAX ? INT16_MAX : x.part[i]);
  memcpy(to, some, sizeof some); /* the memory may be of pairs */
}

/* Pairs of int16, the first in the lower halves. */
INLINE Ints pairs_of(Ints first, Ints second) {
  OF_PARTS(Ints, (int32_t)((uint32_t)second.part[i_] << 16 | (uint16_t)first.part[i_]))
}

/* 16 keys of 16 int16 each, `size` apart, as 8 rows of pairs, `stride` apart. */
INLINE void store_columns(uint32_t *to, int64_t stride, const int16_t *keys, int64_t size) {
  for (int pair = 0; pair < 8; pair++)
    for (int key = 0; key < LANES; key++)
      to[pair * stride + key] = (uint16_t)keys[key * size + 2 * pair] | (uint32_t)(uint16_t)keys[key * size + 2 * pair + 1] << 16;
}

/* The products of both halves, added to each lane. */
INLINE Ints add_pairs(Ints sums, Ints pairs, uint32_t pair) {
  for (int i = 0; i < LANES; i++) {
    const int32_t low = (int16_t)pair * (int16_t)pairs.part[i];
    const int32_t high = (int16_t)(pair >> 16) * (int16_t)((uint32_t)pairs.part[i] >> 16);
    sums.part[i] = (int32_t)((uint32_t)sums.part[i] + (uint32_t)low + (uint32_t)high);
  }
  return sums;
}
