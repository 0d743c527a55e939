/* What one core can do at most, by instruction set: exact multiply-adds of uint8 and int8, and of fp32 (FMA), two operations
   each. Accumulators that do not depend on each other keep the units busy. Prints a line for each that it is asked
   for: name, billions of operations a second of int8 and of fp32, best of five. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SIX(of) of(0) of(1) of(2) of(3) of(4) of(5)
#define TWELVE(of) SIX(of) of(6) of(7) of(8) of(9) of(10) of(11)
#define OF_YMM(n) " %%ymm14, %%ymm15, %%ymm" #n "\n"
#define OF_ZMM(n) " %%zmm14, %%zmm15, %%zmm" #n "\n"
#define FMA_YMM(n) "vfmadd231ps" OF_YMM(n)
#define FMA_ZMM(n) "vfmadd231ps" OF_ZMM(n)
#define VNNI_YMM(n) "%{vex%} vpdpbusd" OF_YMM(n)
#define VNNI_ZMM(n) "vpdpbusd" OF_ZMM(n)
#define WORDS(n) "vpmaddwd %%ymm14, %%ymm15, %%ymm13\n vpaddd %%ymm13, %%ymm" #n ", %%ymm" #n "\n" /* pairs of int16 */
#define FOUR_TILES                                                                                            \
    "tdpbusd %%tmm6, %%tmm4, %%tmm0\n tdpbusd %%tmm7, %%tmm4, %%tmm1\n"                                       \
    "tdpbusd %%tmm6, %%tmm5, %%tmm2\n tdpbusd %%tmm7, %%tmm5, %%tmm3\n"
#define ALL                                                                                                   \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm13", "memory"

enum { STEPS = 10000000, ASK_FOR_REGISTERS = 0x1023, TILES = 18 };

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec * 1e-9;
}

/* Billions of operations a second. */
#define RATE(name, instructions, operations, steps)                                                           \
    static double name(void) {                                                                                \
        double best = 0;                                                                                      \
        for (int run = 0; run < 5; run++) {                                                                   \
            double started = seconds();                                                                       \
            for (long step = 0; step < (steps); step++) __asm__ volatile(instructions::: ALL);                \
            double rate = (double)(operations) * (steps) / (seconds() - started) / 1e9;                       \
            if (rate > best) best = rate;                                                                     \
        }                                                                                                     \
        return best;                                                                                          \
    }
RATE(fma_ymm, TWELVE(FMA_YMM), 12 * 8 * 2, STEPS)
RATE(fma_zmm, TWELVE(FMA_ZMM), 12 * 16 * 2, STEPS)
RATE(words, TWELVE(WORDS), 12 * 16 * 2, STEPS)
RATE(vnni_ymm, TWELVE(VNNI_YMM), 12 * 32 * 2, STEPS)
RATE(vnni_zmm, TWELVE(VNNI_ZMM), 12 * 64 * 2, STEPS)
RATE(tiles, FOUR_TILES, 4 * 16 * 16 * 64 * 2, STEPS / 10)

static double tiles_where_granted(void) {
    if (syscall(SYS_arch_prctl, ASK_FOR_REGISTERS, TILES) != 0) return 0;
    /* Eight tiles of 16 rows of 64 bytes. */
    const struct { uint8_t palette, unused[15]; uint16_t bytes[16]; uint8_t rows[16]; } shapes = {
        1, {0}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};
    __asm__ volatile("ldtilecfg %0" ::"m"(shapes));
    double rate = tiles();
    __asm__ volatile("tilerelease");
    return rate;
}

/* The arguments are the instruction sets that the CPU has. */
int main(int count, char *const names[]) {
    for (int i = 1; i < count; i++) {
        double int8 = 0, fp32 = 0;
        if (strcmp(names[i], "avx2") == 0) int8 = words(), fp32 = fma_ymm();
        if (strcmp(names[i], "avx-vnni") == 0) int8 = vnni_ymm(), fp32 = fma_ymm();
        if (strcmp(names[i], "avx512-vnni") == 0) int8 = vnni_zmm(), fp32 = fma_zmm();
        if (strcmp(names[i], "amx") == 0) int8 = tiles_where_granted(), fp32 = fma_zmm();
        printf("%s %.1f %.1f\n", names[i], int8, fp32);
    }
    return 0;
}
