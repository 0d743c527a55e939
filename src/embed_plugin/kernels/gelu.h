/* x / 2 * (1 + erf(x / sqrt(2))), to about 5e-6. */
#pragma once

#include "vector.h"

/* The normal distribution's share below x is 0.5 + x * P(x * x) for |x| <= END, with P a polynomial of degree 10 in
 * t = 2 * x * x / END ** 2 - 1, which runs over -1..1, where Horner's rule loses little to rounding. It was fitted to
 * erf(x / sqrt(2)) / (2 * x) by least squares, reweighted until the largest error of x * x * P was least: that is 4e-6,
 * and 5e-6 with all rounding. Below -END the GELU itself is less than 4e-6, and 0 here; above END it is x. */
#define END 4.8f
static const float coefficients[] = {1.443754067e-03f,  -4.194625653e-03f, 5.392308347e-03f,  -7.443361916e-03f,
                                     1.386412978e-02f,  -2.218754776e-02f, 3.072081134e-02f,  -4.056592658e-02f,
                                     5.290409923e-02f,  -7.297976315e-02f, 1.472127885e-01f};

static inline Floats gelu(Floats x) {
  const Floats c = _mm512_min_ps(_mm512_max_ps(x, all(-END)), all(END));
  const Floats t = _mm512_fmadd_ps(_mm512_mul_ps(c, c), all(2 / (END * END)), all(-1));
  Floats p = all(coefficients[0]);
  for (size_t i = 1; i < sizeof coefficients / sizeof *coefficients; i++) p = _mm512_fmadd_ps(p, t, all(coefficients[i]));
  const __mmask16 not_zero = _mm512_cmp_ps_mask(x, all(-END), _CMP_GE_OQ);
  return _mm512_maskz_mul_ps(not_zero, x, _mm512_fmadd_ps(p, c, all(0.5f)));
}
