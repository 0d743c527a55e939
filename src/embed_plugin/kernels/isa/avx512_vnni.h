/* AVX-512 with VNNI: products and attention. Six rows by four panels are summed at a time: 24 sums, which with four
 * registers of weights and one of a row's bytes are nearly all. */
#pragma once

#define MOST_PANELS 4
#define ATTENDED_ROWS 8
#define ATTENDED_VECTORS 2
#include "avx512.h"

/* Written out, because gcc 12 keeps the sums of its own functions in memory: half the speed. */
INLINE __m512i add_bytes(__m512i sums, __m512i bytes, __m512i weights) {
  __asm__("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(bytes), "v"(weights));
  return sums;
}

INLINE __m512i add_words(__m512i sums, __m512i a, __m512i b) {
  __asm__("vpdpwssd %2, %1, %0" : "+v"(sums) : "v"(a), "v"(b));
  return sums;
}

#include "vnni.h"
