#include "scratch.h"

#include <stdlib.h>

typedef struct {
  void *memory[SCRATCH_USES];
  size_t bytes[SCRATCH_USES];
} Scratch;

/* More is given back as soon as less is enough: one long text must not cost memory for ever. */
enum { LARGE = 1 << 22 };
enum { LINE = 64 };

static void release(void *value);

/* What differs by system: aligned memory, and a value of each thread that is released when the thread ends. */
#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <malloc.h>

static void *allocate(size_t bytes) { return _aligned_malloc(bytes, LINE); }
static void give_back(void *memory) { _aligned_free(memory); }

static INIT_ONCE once = INIT_ONCE_STATIC_INIT;
static DWORD key;
static void WINAPI release_at_end(void *value) {
  if (value) release(value);
}
static BOOL WINAPI make_key(INIT_ONCE *of, void *unused, void **unused_too) {
  (void)of, (void)unused, (void)unused_too;
  key = FlsAlloc(release_at_end);
  return key != FLS_OUT_OF_INDEXES;
}
static int has_key(void) { return InitOnceExecuteOnce(&once, make_key, NULL, NULL) != 0; }
static Scratch *kept_value(void) { return FlsGetValue(key); }
static int keep_value(Scratch *value) { return FlsSetValue(key, value) != 0; }
#else
#include <pthread.h>

static void *allocate(size_t bytes) { return aligned_alloc(LINE, bytes); }
static void give_back(void *memory) { free(memory); }

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static int key_is_made;
static void make_key(void) { key_is_made = pthread_key_create(&key, release) == 0; }
static int has_key(void) { return pthread_once(&once, make_key) == 0 && key_is_made; }
static Scratch *kept_value(void) { return pthread_getspecific(key); }
static int keep_value(Scratch *value) { return pthread_setspecific(key, value) == 0; }
#endif

static void release(void *value) {
  Scratch *of_thread = value;
  for (int use = 0; use < SCRATCH_USES; use++) give_back(of_thread->memory[use]);
  free(of_thread);
}

static Scratch *find(void) {
  if (!has_key()) return NULL;
  Scratch *of_thread = kept_value();
  if (of_thread) return of_thread;
  of_thread = calloc(1, sizeof *of_thread);
  if (of_thread && !keep_value(of_thread)) {
    free(of_thread);
    return NULL;
  }
  return of_thread;
}

void *scratch(int use, size_t bytes) {
  Scratch *of_thread = find();
  if (!of_thread) return NULL;
  const size_t had = of_thread->bytes[use], whole = (bytes / LINE + 1) * LINE;
  if (had < whole || (had > LARGE && whole <= LARGE)) {
    give_back(of_thread->memory[use]);
    of_thread->memory[use] = allocate(whole);
    of_thread->bytes[use] = of_thread->memory[use] ? whole : 0;
  }
  return of_thread->memory[use];
}
