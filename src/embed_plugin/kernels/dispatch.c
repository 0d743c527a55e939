/* Choose the functions for this CPU. Which tables there are is for the build to say: HAS_AVX2 and so on. */
#define _GNU_SOURCE /* syscall */
#include <stdlib.h>
#include <string.h>

#include "arithmetic.h"
#include "exported.h"

extern const Arithmetic scalar_arithmetic;
static int always(void) { return 1; }
static int never(void) { return 0; }

#if defined __x86_64__ || defined _M_X64
#include <cpuid.h>

extern const Arithmetic avx2_arithmetic, avx_vnni_arithmetic, avx512_vnni_arithmetic, amx_arithmetic;

/* Registers that cpuid fills, and what it says of a leaf that the CPU does not have. */
typedef struct {
  unsigned a, b, c, d;
} Leaf;

static Leaf leaf(unsigned number, unsigned part) {
  Leaf found = {0, 0, 0, 0};
  __get_cpuid_count(number, part, &found.a, &found.b, &found.c, &found.d);
  return found;
}

/* The registers that the operating system saves, by the bits of XCR0; none before xgetbv is there. */
static unsigned saved(void) {
  enum { OSXSAVE = 1 << 27 };
  unsigned low = 0, high = 0;
  if (leaf(1, 0).c & OSXSAVE) __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

enum { YMM = 0x6, ZMM = 0xe6 };
static int has(unsigned found, unsigned bits) { return (found & bits) == bits; }

static int has_avx2(void) {
  enum { FMA = 1 << 12, AVX2 = 1 << 5 };
  return has(saved(), YMM) && has(leaf(1, 0).c, FMA) && has(leaf(7, 0).b, AVX2);
}

static int has_avx_vnni(void) {
  enum { AVX_VNNI = 1 << 4 };
  return has_avx2() && has(leaf(7, 1).a, AVX_VNNI);
}

static int has_avx512_vnni(void) {
  enum { F = 1 << 16, DQ = 1 << 17, BW = 1 << 30, VNNI = 1 << 11 };
  const unsigned VL = 1u << 31;
  return has_avx2() && has(saved(), ZMM) && has(leaf(7, 0).b, F | DQ | BW | VL) && has(leaf(7, 0).c, VNNI);
}

#if defined HAS_AMX && defined __linux__
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Linux refuses if the CPU or a hypervisor lacks AMX, or if a signal stack is too small for the registers. It grants them to
 * the whole process, and threads save more from then on, so it is asked only where they will be used. */
static int allowed;
static void ask(void) {
  enum { ARCH_REQ_XCOMP_PERM = 0x1023, TILE_DATA = 18 }; /* Linux 5.16: linux/Documentation/arch/x86/xstate.rst */
  allowed = syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) == 0;
}

static int has_amx(void) {
  enum { TILES = 1 << 24, INT8 = 1 << 25 };
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  if (!has_avx512_vnni() || !has(leaf(7, 0).d, TILES | INT8)) return 0;
  pthread_once(&once, ask);
  return allowed;
}
#endif
#endif

#if defined __aarch64__ && defined __linux__
#include <sys/auxv.h>

static int has_dotprod(void) {
  enum { ASIMDDP = 1 << 20 };
  return (getauxval(AT_HWCAP) & ASIMDDP) != 0;
}

static int has_i8mm(void) {
  enum { I8MM = 1 << 13 };
  return has_dotprod() && (getauxval(AT_HWCAP2) & I8MM) != 0;
}
#elif defined __aarch64__ && defined __APPLE__
#include <sys/sysctl.h>

static int has(const char *feature) {
  int there = 0;
  size_t size = sizeof there;
  return sysctlbyname(feature, &there, &size, NULL, 0) == 0 && there;
}

static int has_dotprod(void) { return has("hw.optional.arm.FEAT_DotProd"); }
static int has_i8mm(void) { return has_dotprod() && has("hw.optional.arm.FEAT_I8MM"); }
#endif
#ifdef __aarch64__
extern const Arithmetic dotprod_arithmetic, i8mm_arithmetic;
#endif

/* The classes of embed_plugin/cpu/classes.py, from the least to the best, and what each runs. One whose set was not built
 * keeps its place, so that the next lesser one runs in its stead. */
static const struct {
  const char *class_name;
  const Arithmetic *arithmetic;
  int (*here)(void);
} classes[] = {
    {"scalar", &scalar_arithmetic, always}, /* also "x86-64" and "arm64" */
#ifdef HAS_AVX2
    {"avx2", &avx2_arithmetic, has_avx2},
    {"avx512", &avx2_arithmetic, has_avx2},
#else
    {"avx2", NULL, never},
    {"avx512", NULL, never},
#endif
#ifdef HAS_AVX_VNNI
    {"avx-vnni", &avx_vnni_arithmetic, has_avx_vnni},
#else
    {"avx-vnni", NULL, never},
#endif
#ifdef HAS_AVX512_VNNI
    {"avx512-vnni", &avx512_vnni_arithmetic, has_avx512_vnni},
    {"avx512-bf16", &avx512_vnni_arithmetic, has_avx512_vnni},
#else
    {"avx512-vnni", NULL, never},
    {"avx512-bf16", NULL, never},
#endif
#ifdef SOFTWARE_TILES
    {"amx", &amx_arithmetic, has_avx512_vnni},
#elif defined HAS_AMX && defined __linux__
    {"amx", &amx_arithmetic, has_amx},
#else
    {"amx", NULL, never},
#endif
#ifdef HAS_DOTPROD
    {"dotprod", &dotprod_arithmetic, has_dotprod},
#else
    {"dotprod", NULL, never},
#endif
#ifdef HAS_I8MM
    {"i8mm", &i8mm_arithmetic, has_i8mm},
#else
    {"i8mm", NULL, never},
#endif
};

const Arithmetic *choose_arithmetic(void) {
  const char *name = getenv("EMBED_PLUGIN_INSTRUCTION_SET");
  size_t i = sizeof classes / sizeof *classes;
  if (name && *name) /* the best class that has this name, or a lesser one: Python has checked that it is a name */
    while (i > 1 && strcmp(classes[i - 1].class_name, name) != 0) i--;
  while (i > 1 && !classes[i - 1].here()) i--;
  return classes[i - 1].arithmetic;
}

/* For Python, which records what computed the vectors. */
EXPORTED const char *embed_plugin_arithmetic(void) { return choose_arithmetic()->name; }
