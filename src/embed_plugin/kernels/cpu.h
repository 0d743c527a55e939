/* The features of CPUs that the instruction sets in isa/ and the classes in embed_plugin/cpu/classes.py need. */
#pragma once

enum {
  CPU_FMA = 1 << 0,
  CPU_AVX2 = 1 << 1,
  CPU_AVX_VNNI = 1 << 2,
  CPU_AVX512F = 1 << 3,
  CPU_AVX512BW = 1 << 4,
  CPU_AVX512DQ = 1 << 5,
  CPU_AVX512VL = 1 << 6,
  CPU_AVX512_VNNI = 1 << 7,
  CPU_AVX512_BF16 = 1 << 8,
  CPU_AMX_TILE = 1 << 9,
  CPU_AMX_INT8 = 1 << 10,
  CPU_AMX_BF16 = 1 << 11,
  CPU_ASIMDDP = 1 << 12,
  CPU_I8MM = 1 << 13
};

/* Those that this CPU has and whose registers the operating system saves. */
unsigned cpu_features(void);
