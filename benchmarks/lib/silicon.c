/* What one core can do at most: multiply-adds of int8 (AVX-512 VNNI) and of fp32 (AVX-512 FMA), two operations each, and of
   int8 with AMX where Linux grants it. Twelve accumulators, of AMX four, that do not depend on each other keep the units
   busy. Prints "GOPS GFLOPS GOPS", best of five; the last is 0 without AMX. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define STEP(operation, to) operation " %%zmm30, %%zmm31, %%zmm" #to "\n"
#define TWELVE(operation)                                                                                     \
    STEP(operation, 0) STEP(operation, 1) STEP(operation, 2) STEP(operation, 3) STEP(operation, 4)            \
    STEP(operation, 5) STEP(operation, 6) STEP(operation, 7) STEP(operation, 8) STEP(operation, 9)            \
    STEP(operation, 10) STEP(operation, 11)
#define ACCUMULATORS                                                                                          \
    "zmm0", "zmm1", "zmm2", "zmm3", "zmm4", "zmm5", "zmm6", "zmm7", "zmm8", "zmm9", "zmm10", "zmm11"
#define FOUR_TILES                                                                                            \
    "tdpbusd %%tmm6, %%tmm4, %%tmm0\n tdpbusd %%tmm7, %%tmm4, %%tmm1\n"                                       \
    "tdpbusd %%tmm6, %%tmm5, %%tmm2\n tdpbusd %%tmm7, %%tmm5, %%tmm3\n"
/* Billions of instructions a second. */
#define RATE(instructions, count, steps, best, ...)                                                           \
    for (int run = 0; run < 5; run++) {                                                                       \
        double started = seconds();                                                                           \
        for (long step = 0; step < (steps); step++) __asm__ volatile(instructions::: __VA_ARGS__);            \
        double rate = (double)(count) * (steps) / (seconds() - started) / 1e9;                                \
        if (rate > best) best = rate;                                                                         \
    }

enum { STEPS = 10000000, ASK_FOR_REGISTERS = 0x1023, TILES = 18 };

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec * 1e-9;
}

int main(void) {
    double vnni = 0, fma = 0, amx = 0;
    RATE(TWELVE("vpdpbusd"), 12, STEPS, vnni, ACCUMULATORS)
    RATE(TWELVE("vfmadd231ps"), 12, STEPS, fma, ACCUMULATORS)
    if (syscall(SYS_arch_prctl, ASK_FOR_REGISTERS, TILES) == 0) {
        /* Eight tiles of 16 rows of 64 bytes. */
        const struct { uint8_t palette, unused[15]; uint16_t bytes[16]; uint8_t rows[16]; } shapes = {
            1, {0}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};
        __asm__ volatile("ldtilecfg %0" ::"m"(shapes));
        RATE(FOUR_TILES, 4, STEPS / 10, amx, "memory")
        __asm__ volatile("tilerelease");
    }
    printf("%.1f %.1f %.1f\n", vnni * 64 * 2, fma * 16 * 2, amx * 16 * 16 * 64 * 2);
    return 0;
}
