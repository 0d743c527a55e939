#define _GNU_SOURCE /* syscall */
#include "tiles.h"

#if defined WITHOUT_TILES || defined SOFTWARE_TILES

#ifdef SOFTWARE_TILES
int may_use_tiles(void) { return 1; }
#else
int may_use_tiles(void) { return 0; }
#endif
void shape_tiles(void) {}
void release_tiles(void) {}

#else

#include <cpuid.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FEATURES = 7, AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24, AMX_INT8 = 1 << 25, AMX = AMX_BF16 | AMX_TILE | AMX_INT8 };
enum { ARCH_REQ_XCOMP_PERM = 0x1023, TILE_DATA = 18 }; /* Linux 5.16: linux/Documentation/arch/x86/xstate.rst */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int allowed;

/* Linux refuses if the CPU or a hypervisor lacks AMX, or if a signal stack is too small for the registers. */
static void ask(void) {
  unsigned a, b, c, d;
  const int has = __get_cpuid_count(FEATURES, 0, &a, &b, &c, &d) && (d & AMX) == AMX;
  allowed = has && syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) == 0;
}

/* The variable that embed_plugin/cpu/classes.py reads may name a class of CPU without AMX. */
static int unwanted(void) {
  const char *name = getenv("EMBED_PLUGIN_INSTRUCTION_SET");
  return name && *name && strcmp(name, "amx") != 0;
}

int may_use_tiles(void) {
  pthread_once(&once, ask);
  return allowed && !unwanted();
}

typedef struct {
  uint8_t palette, start_row, reserved[14];
  uint16_t bytes[16];
  uint8_t rows[16];
} Shapes;

#define EIGHT(x) {x, x, x, x, x, x, x, x}
static const Shapes whole = {.palette = 1, .bytes = EIGHT(TILE_BYTES), .rows = EIGHT(TILE_ROWS)};

void shape_tiles(void) { __asm__ volatile("ldtilecfg %0" : : "m"(whole)); }
void release_tiles(void) { __asm__ volatile("tilerelease"); }

#endif

/* For Python, which records the class of CPU that computed the vectors. */
__attribute__((visibility("default"))) int embed_plugin_uses_amx(void) { return may_use_tiles(); }
