/* Ask the CPU, or where it does not answer a program, the operating system, for its features. Their names are Linux's, in
 * /proc/cpuinfo. */
#include "cpu.h"

#include <stdatomic.h>
#include <stddef.h>

#include "exported.h"

#if defined __x86_64__ || defined _M_X64
#include <cpuid.h>

enum { EAX, EBX, ECX, EDX };
enum { YMM = 0x6, ZMM = 0xe6, TILES = 0x600e6 }; /* registers that the operating system saves, as bits of XCR0 */

/* A bit of what cpuid says for a part of a leaf, and the registers that the feature needs. */
typedef struct {
  const char *name;
  unsigned feature, leaf, part, at, bit, registers;
} Known;

static const Known known[] = {
    {"fma", CPU_FMA, 1, 0, ECX, 12, YMM},
    {"avx2", CPU_AVX2, 7, 0, EBX, 5, YMM},
    {"avx_vnni", CPU_AVX_VNNI, 7, 1, EAX, 4, YMM},
    {"avx512f", CPU_AVX512F, 7, 0, EBX, 16, ZMM},
    {"avx512bw", CPU_AVX512BW, 7, 0, EBX, 30, ZMM},
    {"avx512dq", CPU_AVX512DQ, 7, 0, EBX, 17, ZMM},
    {"avx512vl", CPU_AVX512VL, 7, 0, EBX, 31, ZMM},
    {"avx512_vnni", CPU_AVX512_VNNI, 7, 0, ECX, 11, ZMM},
    {"avx512_bf16", CPU_AVX512_BF16, 7, 1, EAX, 5, ZMM},
    {"amx_tile", CPU_AMX_TILE, 7, 0, EDX, 24, TILES},
    {"amx_int8", CPU_AMX_INT8, 7, 0, EDX, 25, TILES},
    {"amx_bf16", CPU_AMX_BF16, 7, 0, EDX, 22, TILES},
};

static unsigned cpuid(unsigned leaf, unsigned part, unsigned at) {
  unsigned found[4] = {0, 0, 0, 0}; /* as it stays where the CPU does not have the leaf */
  __get_cpuid_count(leaf, part, &found[EAX], &found[EBX], &found[ECX], &found[EDX]);
  return found[at];
}

/* XCR0; none before xgetbv is there. */
static unsigned saved_registers(void) {
  enum { OSXSAVE = 1 << 27 };
  unsigned low = 0, high = 0;
  if (cpuid(1, 0, ECX) & OSXSAVE) __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

static int is_there(const Known *k) {
  return (saved_registers() & k->registers) == k->registers && (cpuid(k->leaf, k->part, k->at) >> k->bit & 1);
}

#elif defined __aarch64__ && defined __linux__
#include <sys/auxv.h>

/* A bit of what Linux says under a key. */
typedef struct {
  const char *name;
  unsigned feature;
  unsigned long key, bit;
} Known;

static const Known known[] = {{"asimddp", CPU_ASIMDDP, AT_HWCAP, 20}, {"i8mm", CPU_I8MM, AT_HWCAP2, 13}};
static int is_there(const Known *k) { return (int)(getauxval(k->key) >> k->bit & 1); }

#elif defined __aarch64__ && defined __APPLE__
#include <sys/sysctl.h>

typedef struct {
  const char *name;
  unsigned feature;
  const char *key;
} Known;

static const Known known[] = {
    {"asimddp", CPU_ASIMDDP, "hw.optional.arm.FEAT_DotProd"},
    {"i8mm", CPU_I8MM, "hw.optional.arm.FEAT_I8MM"},
};

static int is_there(const Known *k) {
  int there = 0;
  size_t size = sizeof there;
  return sysctlbyname(k->key, &there, &size, NULL, 0) == 0 && there;
}

#elif defined __aarch64__ && defined _WIN32
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

/* A number of winnt.h, written out for older headers: a Windows that does not know it answers no. */
typedef struct {
  const char *name;
  unsigned feature;
  DWORD number;
} Known;

static const Known known[] = {
    {"asimddp", CPU_ASIMDDP, 43}, /* PF_ARM_V82_DP_INSTRUCTIONS_AVAILABLE */
    {"i8mm", CPU_I8MM, 66},       /* PF_ARM_V82_I8MM_INSTRUCTIONS_AVAILABLE */
};
static int is_there(const Known *k) { return IsProcessorFeaturePresent(k->number) != 0; }

#else
typedef struct {
  const char *name;
  unsigned feature;
} Known;

static const Known known[] = {{"", 0}};
static int is_there(const Known *k) { return (void)k, 0; }
#endif

enum { COUNT = sizeof known / sizeof *known };

static unsigned ask(void) {
  unsigned found = 0;
  for (int i = 0; i < COUNT; i++)
    if (is_there(&known[i])) found |= known[i].feature;
  return found;
}

/* Asked once: each operator of a model asks, and in a virtual machine the hypervisor answers each cpuid. */
unsigned cpu_features(void) {
  enum { ASKED = 1 << 30 };
  static _Atomic unsigned cached;
  unsigned found = atomic_load(&cached);
  if (!found) atomic_store(&cached, found = ask() | ASKED);
  return found;
}

/* For Python: the name of a feature, empty if the CPU does not have it, and null past the last. */
EXPORTED const char *embed_plugin_cpu_feature(int i) {
  if (i < 0 || i >= COUNT) return NULL;
  return cpu_features() & known[i].feature ? known[i].name : "";
}
