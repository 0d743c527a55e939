/* GeluQuantise: x / 2 * (1 + erf(x / sqrt(2))) as uint8, for the product that follows. */
#include "operators.h"
#include "quantise.h"

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

static inline void write_part(const float *from, uint8_t *bytes, const Quantiser *to, int64_t left) {
  store_uint8(bytes, to_uint8(gelu(load(from, left)), to), left);
}

OrtStatus *gelu_quantise(void *instance, OrtKernelContext *context) {
  const Kernel *kernel = instance;
  Tensor x;
  Quantiser to;
  void *y;
  TRY(read_input(kernel, context, 0, &x));
  TRY(read_quantiser(kernel, context, 1, &to));
  TRY(create_output(kernel, context, 0, &x, 0, &y));
  const float *from = x.data;
  uint8_t *bytes = y;
  const Quantiser constants = to; /* a copy no store can change, so that it stays in registers */
  int64_t i = 0;
  for (; i + LANES <= x.count; i += LANES) write_part(from + i, bytes + i, &constants, LANES);
  if (i < x.count) write_part(from + i, bytes + i, &constants, x.count - i);
  return NULL;
}
