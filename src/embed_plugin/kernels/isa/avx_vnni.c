/* 256-bit registers and VNNI: AVX-VNNI. The instructions are written out, for an assembler knows two forms of them, and gcc
 * 12 keeps the sums of its own functions in memory. */
#define MOST_PANELS 1
#define ATTENDED_ROWS 4
#define ATTENDED_VECTORS 1
#include "avx2.h"

INLINE __m256i add_bytes(__m256i sums, __m256i bytes, __m256i weights) {
  __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sums) : "x"(bytes), "x"(weights));
  return sums;
}

INLINE __m256i add_words(__m256i sums, __m256i a, __m256i b) {
  __asm__("%{vex%} vpdpwssd %2, %1, %0" : "+x"(sums) : "x"(a), "x"(b));
  return sums;
}

#include "vnni.h"

TABLE(avx_vnni_arithmetic, "avx-vnni", multiply_all);
