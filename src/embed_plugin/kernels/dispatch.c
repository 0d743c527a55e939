/* Choose the functions for this CPU. Which tables there are is for the build to say: HAS_AVX2 and so on. */
#define _GNU_SOURCE /* syscall */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arithmetic.h"
#include "cpu.h"
#include "exported.h"

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#endif

#define VARIABLE "EMBED_PLUGIN_INSTRUCTION_SET"

extern const Arithmetic scalar_arithmetic;
extern const Arithmetic avx2_arithmetic, avx_vnni_arithmetic, avx512_vnni_arithmetic, amx_arithmetic;
extern const Arithmetic dotprod_arithmetic, i8mm_arithmetic;

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

static int may_use_tiles(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, ask);
  return allowed;
}
#endif

enum {
  AVX2 = CPU_AVX2 | CPU_FMA,
  AVX_VNNI = AVX2 | CPU_AVX_VNNI,
  AVX512_VNNI = AVX2 | CPU_AVX512F | CPU_AVX512BW | CPU_AVX512DQ | CPU_AVX512VL | CPU_AVX512_VNNI,
  AMX = AVX512_VNNI | CPU_AMX_TILE | CPU_AMX_INT8,
  DOTPROD = CPU_ASIMDDP,
  I8MM = CPU_ASIMDDP | CPU_I8MM
};

/* The classes of embed_plugin/cpu/classes.py, from the least to the best, and what each runs. One whose set was not built
 * keeps its place, so that the next lesser one runs in its stead. */
static const struct {
  const char *class_name;
  const Arithmetic *arithmetic;
  unsigned needs;      /* features of the CPU */
  int (*granted)(void); /* null: nothing to ask for */
} classes[] = {
    {"scalar", &scalar_arithmetic, 0, NULL}, /* also "x86-64" and "arm64" */
#ifdef HAS_AVX2
    {"avx2", &avx2_arithmetic, AVX2, NULL},
    {"avx512", &avx2_arithmetic, AVX2, NULL},
#else
    {"avx2", NULL, 0, NULL},
    {"avx512", NULL, 0, NULL},
#endif
#ifdef HAS_AVX_VNNI
    {"avx-vnni", &avx_vnni_arithmetic, AVX_VNNI, NULL},
#else
    {"avx-vnni", NULL, 0, NULL},
#endif
#ifdef HAS_AVX512_VNNI
    {"avx512-vnni", &avx512_vnni_arithmetic, AVX512_VNNI, NULL},
    {"avx512-bf16", &avx512_vnni_arithmetic, AVX512_VNNI, NULL},
#else
    {"avx512-vnni", NULL, 0, NULL},
    {"avx512-bf16", NULL, 0, NULL},
#endif
#ifdef SOFTWARE_TILES
    {"amx", &amx_arithmetic, AVX512_VNNI, NULL},
#elif defined HAS_AMX && defined __linux__
    {"amx", &amx_arithmetic, AMX, may_use_tiles},
#else
    {"amx", NULL, 0, NULL},
#endif
#ifdef HAS_DOTPROD
    {"dotprod", &dotprod_arithmetic, DOTPROD, NULL},
#else
    {"dotprod", NULL, 0, NULL},
#endif
#ifdef HAS_I8MM
    {"i8mm", &i8mm_arithmetic, I8MM, NULL},
#else
    {"i8mm", NULL, 0, NULL},
#endif
};

static int runs_here(size_t i, unsigned features) {
  if (!classes[i].arithmetic || (features & classes[i].needs) != classes[i].needs) return 0;
  return !classes[i].granted || classes[i].granted();
}

enum { LONGEST_NAME = 32 };

/* The class that the environment names, cut to what fits; empty if it names none. */
static void read_named_class(char name[LONGEST_NAME]) {
#ifdef _WIN32 /* each C library there has a copy of the environment, and that of this one need not be Python's */
  const DWORD length = GetEnvironmentVariableA(VARIABLE, name, LONGEST_NAME);
  if (length >= LONGEST_NAME) memcpy(name, "?", 2);
  if (length == 0) *name = 0;
#else
  const char *found = getenv(VARIABLE);
  snprintf(name, LONGEST_NAME, "%s", found ? found : "");
#endif
}

const Arithmetic *choose_arithmetic(void) {
  char name[LONGEST_NAME];
  read_named_class(name);
  const unsigned features = cpu_features();
  size_t i = sizeof classes / sizeof *classes;
  if (*name) /* the best class that has this name, or a lesser one: Python has checked that it is a name */
    while (i > 1 && strcmp(classes[i - 1].class_name, name) != 0) i--;
  while (i > 1 && !runs_here(i - 1, features)) i--;
  return classes[i - 1].arithmetic;
}

/* For Python, which records what computed the vectors. */
EXPORTED const char *embed_plugin_arithmetic(void) { return choose_arithmetic()->name; }
