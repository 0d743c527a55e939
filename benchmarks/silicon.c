/* What one core can do at most: multiply-adds of int8 (AVX-512 VNNI) and of fp32 (AVX-512 FMA), two operations each.
   Twelve accumulators that do not depend on each other keep the units busy. Prints "GOPS GFLOPS", best of five. */
#include <stdio.h>
#include <time.h>

#define STEP(operation, to) operation " %%zmm30, %%zmm31, %%zmm" #to "\n"
#define TWELVE(operation)                                                                                     \
    STEP(operation, 0) STEP(operation, 1) STEP(operation, 2) STEP(operation, 3) STEP(operation, 4)            \
    STEP(operation, 5) STEP(operation, 6) STEP(operation, 7) STEP(operation, 8) STEP(operation, 9)            \
    STEP(operation, 10) STEP(operation, 11)
#define ACCUMULATORS                                                                                          \
    "zmm0", "zmm1", "zmm2", "zmm3", "zmm4", "zmm5", "zmm6", "zmm7", "zmm8", "zmm9", "zmm10", "zmm11"
/* Billions of 64-byte instructions a second. */
#define RATE(operation, best)                                                                                 \
    for (int run = 0; run < 5; run++) {                                                                       \
        double started = seconds();                                                                           \
        for (long step = 0; step < STEPS; step++) __asm__ volatile(TWELVE(operation)::: ACCUMULATORS);        \
        double rate = 12.0 * STEPS / (seconds() - started) / 1e9;                                             \
        if (rate > best) best = rate;                                                                         \
    }

enum { STEPS = 10000000 };

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec * 1e-9;
}

int main(void) {
    double vnni = 0, fma = 0;
    RATE("vpdpbusd", vnni)
    RATE("vfmadd231ps", fma)
    printf("%.1f %.1f\n", vnni * 64 * 2, fma * 16 * 2);
    return 0;
}
