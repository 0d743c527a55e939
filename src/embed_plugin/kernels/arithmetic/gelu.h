/* x / 2 * (1 + erf(x / sqrt(2))), to 7e-5 within -END..END and to 3e-5 of its value above. */
#pragma once

#include "quantise.h"

/* The normal distribution's share below x is 0.5 + x * P(x * x) for |x| <= END, with P a polynomial of degree 7 in
 * t = 2 * x * x / END ** 2 - 1, which runs over -1..1, where Horner's rule loses little to rounding. It was fitted to
 * erf(x / sqrt(2)) / (2 * x) by least squares, reweighted until the largest error of x * x * P was least. Below -END the GELU
 * itself is less than 6e-5, and 0 here; above END the share is the one at END. A step of the quantised row is a few
 * thousandths, and each degree more costs 1 % of the product. */
#define END 4.2f
static const float coefficients[] = {-3.991768230e-03f, 1.127359457e-02f,  -1.612854563e-02f, 2.367216721e-02f,
                                     -3.805362806e-02f, 5.597527325e-02f, -8.156010509e-02f, 1.678536683e-01f};

INLINE Floats gelu(Floats x) {
  const Floats c = minimum(maximum(x, all(-END)), all(END));
  const Floats t = multiply_add(multiply(c, c), all(2 / (END * END)), all(-1));
  Floats p = all(coefficients[0]);
  UNROLL
  for (size_t i = 1; i < sizeof coefficients / sizeof *coefficients; i++) p = multiply_add(p, t, all(coefficients[i]));
  return where_at_least(x, all(-END), multiply(x, multiply_add(p, c, all(0.5f))));
}

static void activate_row(const Kept *kept, float *x, Rows out) {
  Range range = no_range();
  int64_t i = 0;
  for (; i + LANES <= kept->width; i += LANES) {
    const Floats y = gelu(load(x + i));
    store(x + i, y);
    widen(&range, y, kept->quantised[i / LANES]);
  }
  if (i < kept->width) {
    const Floats y = gelu(load_first(x + i, kept->width - i));
    store_first(x + i, y, kept->width - i);
    widen(&range, y, kept->quantised[i / LANES]);
  }
  quantise_within(kept, &range, x, out);
}

static void activate(const Kept *kept, float *x, int64_t count, Rows out) {
  for (int64_t r = 0; r < count; r++) activate_row(kept, x + r * kept->width, after(out, kept, r));
}
