/* Activations to a few units in the last place, alone and as gates: what they give is multiplied with values of any size. */
#pragma once

#include "quantise.h"

enum { LARGEST_POWER = 125 }; /* 2 ** 125 and its inverse are normal, and so are their products with 0.7 to 1.5 */

/* 2 ** x, to 2e-9 of its value but for rounding, within 2 ** -125 and 2 ** 125. The polynomial of degree 6 is the one whose
 * largest relative error over -0.5..0.5 is least. */
INLINE Floats exponential_of_2(Floats x) {
  static const float terms[] = {1.534581243e-04f, 1.339993207e-03f, 9.618489072e-03f, 5.550328642e-02f,
                                2.402264625e-01f, 6.931471825e-01f, 1.0f};
  x = minimum(maximum(x, all(-LARGEST_POWER)), all(LARGEST_POWER));
  const Floats whole = whole_of(x), part = less_whole(x, whole);
  Floats p = all(terms[0]);
  UNROLL
  for (size_t i = 1; i < sizeof terms / sizeof *terms; i++) p = multiply_add(p, part, all(terms[i]));
  return scale_by_power(p, whole);
}

/* x / (1 + 2 ** -power) */
INLINE Floats sigmoid_times(Floats x, Floats power) {
  return divide(x, add(all(1), exponential_of_2(subtract(all(0), power))));
}

/* x / (1 + exp(-x)) */
INLINE Floats silu(Floats x) { return sigmoid_times(x, multiply(x, all(1.44269504f))); }

/* x / 2 * (1 + tanh(y)) = x / (1 + exp(-2 * y)), with y = sqrt(2 / pi) * (x + 0.044715 * x ** 3). */
INLINE Floats gelu_tanh(Floats x) {
  const Floats cube = multiply_add(multiply(x, x), all(0.1029432396f), all(2.302208198f)); /* of 2 * y * log2(e) / x */
  return sigmoid_times(x, multiply(x, cube));
}

/* x / 2 * (1 + erf(x / sqrt(2))) = max(x, 0) - |x| * Q, with Q the normal distribution's share beyond |x|. That is
 * exp(-x * x / 2) * P(t), t = 1 / (1 + 0.3 * |x|), where P is the polynomial of degree 8, of t stretched to -1..1, whose
 * largest relative error up to |x| = 13.5 is least: 6e-8. Below -13 the GELU is less than 1e-37, and 0 here. */
INLINE Floats exact_gelu(Floats x) {
  static const float terms[] = {2.562446934e-05f, 2.458637027e-05f, -3.952455882e-04f, -6.991572445e-04f, 5.620403215e-03f,
                                3.533823043e-02f, 1.047975346e-01f, 2.006404847e-01f,  1.546475589e-01f};
  const float furthest = 13;
  const Floats size = absolute(x), near = minimum(size, all(furthest));
  const Floats t = subtract(divide(all(2.493827160f), multiply_add(near, all(0.3f), all(1))), all(1.493827160f));
  Floats p = all(terms[0]);
  UNROLL
  for (size_t i = 1; i < sizeof terms / sizeof *terms; i++) p = multiply_add(p, t, all(terms[i]));
  const Floats share = multiply(p, exponential_of_2(multiply(multiply(near, near), all(-0.72134752f))));
  const Floats y = multiply_add(subtract(all(0), size), share, maximum(x, all(0)));
  return where_at_least(x, all(-furthest), y);
}

INLINE Floats activation_of(Floats x, const Activation activation) {
  switch (activation) {
    case GELU_TANH: return gelu_tanh(x);
    case SILU: return silu(x);
    case RELU: return maximum(x, all(0));
    default: return exact_gelu(x);
  }
}

INLINE void gate_part(const Kept *kept, float *x, int64_t i, int64_t left, Range *range, const Activation activation,
                      const int gated) {
  Floats y = activation_of(load_first(x + i + (gated ? kept->width : 0), left), activation);
  if (gated) y = multiply(y, load_first(x + i, left));
  store_first(x + i, y, left);
  widen(range, y, kept->quantised[i / LANES]);
}

INLINE void gate_rows(const Kept *kept, float *x, int64_t count, Rows out, const Activation activation, const int gated) {
  const int64_t width = kept->width, stride = gated ? 2 * width : width;
  for (int64_t r = 0; r < count; r++, x += stride) {
    Range range = no_range();
    int64_t i = 0;
    for (; i + LANES <= width; i += LANES) gate_part(kept, x, i, LANES, &range, activation, gated);
    if (i < width) gate_part(kept, x, i, width - i, &range, activation, gated);
    quantise_within(kept, &range, x, after(out, kept, r));
  }
}

#define GATE(activation)                                                                            \
  static void gate_##activation(const Kept *kept, float *x, int64_t count, Rows out, int gated) { \
    if (gated)                                                                                      \
      gate_rows(kept, x, count, out, activation, 1);                                                \
    else                                                                                            \
      gate_rows(kept, x, count, out, activation, 0);                                                \
  }
GATE(GELU) GATE(GELU_TANH) GATE(SILU) GATE(RELU)

static void gate(const Gate *of, const Kept *kept, float *x, int64_t count, Rows out) {
  static void (*const each[ACTIVATIONS])(const Kept *, float *, int64_t, Rows, int) = {
      [GELU] = gate_GELU, [GELU_TANH] = gate_GELU_TANH, [SILU] = gate_SILU, [RELU] = gate_RELU};
  each[of->activation](kept, x, count, out, of->gated);
}
