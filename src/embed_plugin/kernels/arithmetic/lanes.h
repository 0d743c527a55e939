/* Sixteen floats or integers at a time, in as many registers as they need.
 *
 * What comes before this says what a register is: Part and IntPart, PART lanes of each, and part_... for one of them. */
#pragma once

#include <string.h>

#include "../arithmetic.h"

#define INLINE static inline __attribute__((always_inline))

/* Of a loop over registers, so that none of them is memory. Its count is a constant of at most 16 where it is inlined. */
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

enum { PARTS = LANES / PART };

typedef struct {
  Part part[PARTS];
} Floats;

typedef struct {
  IntPart part[PARTS];
} Ints;

#define EACH_PART UNROLL for (int i_ = 0; i_ < PARTS; i_++)
#define OF_PARTS(type, result)    \
  type y_;                        \
  EACH_PART y_.part[i_] = result; \
  return y_;

INLINE Floats all(float x) { OF_PARTS(Floats, part_all(x)) }
INLINE Floats load(const float *from) { OF_PARTS(Floats, part_load(from + i_ * PART)) }
INLINE void store(float *to, Floats x) { EACH_PART part_store(to + i_ * PART, x.part[i_]); }
INLINE Floats add(Floats a, Floats b) { OF_PARTS(Floats, part_add(a.part[i_], b.part[i_])) }
INLINE Floats subtract(Floats a, Floats b) { OF_PARTS(Floats, part_subtract(a.part[i_], b.part[i_])) }
INLINE Floats multiply(Floats a, Floats b) { OF_PARTS(Floats, part_multiply(a.part[i_], b.part[i_])) }
INLINE Floats divide(Floats a, Floats b) { OF_PARTS(Floats, part_divide(a.part[i_], b.part[i_])) }
INLINE Floats minimum(Floats a, Floats b) { OF_PARTS(Floats, part_minimum(a.part[i_], b.part[i_])) }
INLINE Floats maximum(Floats a, Floats b) { OF_PARTS(Floats, part_maximum(a.part[i_], b.part[i_])) }
INLINE Floats absolute(Floats x) { OF_PARTS(Floats, part_absolute(x.part[i_])) }

/* a * b + c, rounded once. */
INLINE Floats multiply_add(Floats a, Floats b, Floats c) {
  OF_PARTS(Floats, part_multiply_add(a.part[i_], b.part[i_], c.part[i_]))
}

/* y where x >= bound, else 0. */
INLINE Floats where_at_least(Floats x, Floats bound, Floats y) {
  OF_PARTS(Floats, part_where_at_least(x.part[i_], bound.part[i_], y.part[i_]))
}

/* The lanes whose bit is set, and 0 in the others. */
INLINE Floats lanes_of(uint16_t bits, Floats x) { OF_PARTS(Floats, part_lanes_of(bits >> i_ * PART, x.part[i_])) }

INLINE Ints all_ints(int32_t x) { OF_PARTS(Ints, part_all_ints(x)) }
INLINE Ints load_ints(const void *from) { OF_PARTS(Ints, part_load_ints((const int32_t *)from + i_ * PART)) }
INLINE Ints add_ints(Ints a, Ints b) { OF_PARTS(Ints, part_add_ints(a.part[i_], b.part[i_])) }
INLINE Ints to_ints(Floats x) { OF_PARTS(Ints, part_to_ints(x.part[i_])) } /* the nearest, of two the even one */
INLINE Floats to_floats(Ints x) { OF_PARTS(Floats, part_to_floats(x.part[i_])) }

/* The nearest whole number, of two the even one, in a form of the instruction set's own; what x is more than it; and
 * x * 2 ** whole, where that and x are normal. */
INLINE Floats whole_of(Floats x) { OF_PARTS(Floats, part_whole_of(x.part[i_])) }
INLINE Floats less_whole(Floats x, Floats whole) { OF_PARTS(Floats, part_less_whole(x.part[i_], whole.part[i_])) }
INLINE Floats scale_by_power(Floats x, Floats whole) {
  OF_PARTS(Floats, part_scale_by_power(x.part[i_], whole.part[i_]))
}

/* One number of 16: lanes 8 apart first, then 4, 2 and 1. */
#define REDUCE(name, operation, last)                       \
  INLINE float name(Floats x) {                             \
    UNROLL for (int half = PARTS / 2; half; half /= 2)      \
      UNROLL for (int i = 0; i < half; i++)                 \
        x.part[i] = operation(x.part[i], x.part[i + half]); \
    return last(x.part[0]);                                 \
  }
REDUCE(sum_of, part_add, part_sum)
REDUCE(least_of, part_minimum, part_least)
REDUCE(most_of, part_maximum, part_most)

INLINE int32_t sum_of_ints(Ints x) {
  UNROLL for (int half = PARTS / 2; half; half /= 2)
    UNROLL for (int i = 0; i < half; i++)
      x.part[i] = part_add_ints(x.part[i], x.part[i + half]);
  return part_sum_ints(x.part[0]);
}

/* The first `left` lanes, and 0 in the others; all of them when there are more. Parts of rows are rare. */
INLINE Floats load_first(const float *from, int64_t left) {
  if (left >= LANES) return load(from);
  float some[LANES] = {0};
  memcpy(some, from, (size_t)left * sizeof *some);
  return load(some);
}

INLINE Ints load_first_ints(const int32_t *from, int64_t left) {
  if (left >= LANES) return load_ints(from);
  int32_t some[LANES] = {0};
  memcpy(some, from, (size_t)left * sizeof *some);
  return load_ints(some);
}

INLINE void store_first(float *to, Floats x, int64_t left) {
  if (left >= LANES) {
    store(to, x);
    return;
  }
  float some[LANES];
  store(some, x);
  memcpy(to, some, (size_t)left * sizeof *some);
}
