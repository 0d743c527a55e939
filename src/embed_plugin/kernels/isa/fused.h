/* a * b + c of floats, rounded once, for C libraries that round it twice: MinGW's fmaf does, on CPUs with FMA too.
 *
 * The product of two floats is exact as a double. Its sum with c is made odd where it is not exact: of the two doubles
 * around the exact sum, the one whose last bit is 1. No such double lies halfway between floats, so that rounding it gives
 * what rounding the exact sum gives (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", 2008). */
#pragma once

#include <stdint.h>
#include <string.h>

static inline double to_odd(double sum, double error) {
  int64_t bits;
  memcpy(&bits, &sum, sizeof bits);
  if (bits & 1 || !(error < 0 || error > 0)) return sum; /* odd or exact, and all that is not finite: its error is NaN */
  bits += (error > 0) == (sum > 0) ? 1 : -1;             /* away from 0, or to it */
  memcpy(&sum, &bits, sizeof sum);
  return sum;
}

static inline float fused_multiply_add(float a, float b, float c) {
  const double product = (double)a * b, sum = product + c;
  const double added = sum - product; /* of c, after rounding */
  const double error = (product - (sum - added)) + (c - added);
  return (float)to_odd(sum, error);
}
