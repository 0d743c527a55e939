/* Shared by both implementations of attention: scratch memory for scores, and the power of 2. */
#pragma once

#include <math.h>

#include "pack.h"

enum { MOST_ROWS = 16, LARGEST_HEAD = 64 };

typedef struct {
  float *scores;    /* [MOST_ROWS][padded] */
  uint32_t *shares; /* [MOST_ROWS][padded / 2]: bf16 of two neighbouring keys, their sum not yet 1 */
} Workspace;

/* Up to 16 rows, `stride` floats apart, with AMX. The sums of products are rounded in another order. */
void attend_by_tiles(const PackedHead *head, const Workspace *work, const float *queries, int64_t stride, int64_t rows,
                     int size, float *out);

/* 2 ** x for x <= 0, to 4e-6 of its value, of which bf16 keeps 4e-3: the exponent for the whole part of x, and Taylor's
 * polynomial, ln(2) ** n / n! for n up to 5, for the rest, which is -0.5..0.5. Below 2 ** -126 it is 2 ** -126. */
static inline Floats power_of_2(Floats x) {
  x = _mm512_max_ps(x, all(-126));
  const Floats whole = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const Floats part = _mm512_sub_ps(x, whole);
  Floats p = all(1.33335581e-3f);
  p = _mm512_fmadd_ps(p, part, all(9.61812911e-3f));
  p = _mm512_fmadd_ps(p, part, all(5.55041087e-2f));
  p = _mm512_fmadd_ps(p, part, all(2.40226507e-1f));
  p = _mm512_fmadd_ps(p, part, all(6.93147181e-1f));
  p = _mm512_fmadd_ps(p, part, all(1));
  return _mm512_scalef_ps(p, whole);
}
