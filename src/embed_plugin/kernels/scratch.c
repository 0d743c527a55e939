#include "scratch.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct {
  void *memory[SCRATCH_USES];
  size_t bytes[SCRATCH_USES];
} Scratch;

/* More is given back as soon as less is enough: one long text must not cost memory for ever. */
enum { LARGE = 1 << 22 };
enum { LINE = 64 };

#ifdef _WIN32
#include <malloc.h>
static void *allocate(size_t bytes) { return _aligned_malloc(bytes, LINE); }
static void give_back(void *memory) { _aligned_free(memory); }
#else
static void *allocate(size_t bytes) { return aligned_alloc(LINE, bytes); }
static void give_back(void *memory) { free(memory); }
#endif

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static int has_key;

static void release(void *value) {
  Scratch *of_thread = value;
  for (int use = 0; use < SCRATCH_USES; use++) give_back(of_thread->memory[use]);
  free(of_thread);
}

static void make_key(void) { has_key = pthread_key_create(&key, release) == 0; }

static Scratch *find(void) {
  pthread_once(&once, make_key);
  if (!has_key) return NULL;
  Scratch *of_thread = pthread_getspecific(key);
  if (of_thread) return of_thread;
  of_thread = calloc(1, sizeof *of_thread);
  if (of_thread && pthread_setspecific(key, of_thread)) {
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
