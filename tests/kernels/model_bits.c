/* Run a model with onnxruntime's C interface, no Python: from two threads that end, texts of several lengths, and print a
 * hash of all vectors of each. Arguments: onnxruntime's library, that of the kernels, the graph, its dimension. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "onnxruntime_abi.h"

#ifdef _WIN32
#include <windows.h>
typedef HANDLE Thread;
typedef wchar_t PathLetter;
#else
#include <dlfcn.h>
#include <pthread.h>
typedef pthread_t Thread;
typedef char PathLetter;
#endif

typedef struct OrtEnv OrtEnv;
typedef struct OrtSession OrtSession;
typedef struct OrtMemoryInfo OrtMemoryInfo;

enum { LONGEST_PATH = 1024, WARNINGS = 2, IDS = 30, DEVICE_MEMORY = 0 };

typedef struct {
  OrtApi ort;
  OrtSession *session;
  OrtMemoryInfo *memory;
  size_t dimension;
  uint64_t hash;
} Run;

static void check(OrtApi ort, OrtStatus *status) {
  if (!status) return;
  puts(((const char *(*)(const OrtStatus *))ort[2])(status));
  exit(1);
}

static OrtApi load(const char *library) {
#ifdef _WIN32
  HMODULE loaded = LoadLibraryA(library);
  const OrtFunction found = loaded ? (OrtFunction)GetProcAddress(loaded, "OrtGetApiBase") : NULL;
#else
  void *loaded = dlopen(library, RTLD_NOW);
  const OrtFunction found = loaded ? (OrtFunction)(uintptr_t)dlsym(loaded, "OrtGetApiBase") : NULL;
#endif
  if (!found) puts("onnxruntime cannot be loaded"), exit(1);
  return ((const OrtApiBase *(*)(void))found)()->api(ORT_TABLE_VERSION);
}

static OrtSession *open_graph(OrtApi ort, const char *kernels, const char *graph) {
  OrtEnv *environment;
  OrtSessionOptions *options;
  OrtSession *session;
  void *library;
  PathLetter path[LONGEST_PATH] = {0};
  for (int i = 0; graph[i] && i < LONGEST_PATH - 1; i++) path[i] = (PathLetter)graph[i]; /* ASCII */
  check(ort, ORT_CALL(ort, 3, int, const char *, OrtEnv **)(WARNINGS, "model_bits", &environment));
  check(ort, ORT_CALL(ort, 6, OrtEnv *)(environment)); /* no telemetry */
  check(ort, ORT_CALL(ort, 10, OrtSessionOptions **)(&options));
  check(ort, ORT_CALL(ort, 24, OrtSessionOptions *, int)(options, 1)); /* one thread for a run */
  check(ort, ORT_CALL(ort, 29, OrtSessionOptions *, const char *, void **)(options, kernels, &library));
  check(ort, ORT_CALL(ort, 7, OrtEnv *, const PathLetter *, OrtSessionOptions *, OrtSession **)(environment, path, options,
                                                                                               &session));
  return session;
}

static void run_batch(Run *run, int64_t texts, int64_t length) {
  const int64_t shape[] = {texts, length};
  const char *input = "input_ids", *output = "embedding";
  const size_t bytes = (size_t)(texts * length) * sizeof(int64_t);
  int64_t *ids = malloc(bytes);
  OrtValue *given, *found = NULL;
  void *vectors;
  if (!ids) abort();
  for (int64_t i = 0; i < texts * length; i++) ids[i] = (i * 7 + length) % IDS;
  check(run->ort, ORT_CALL(run->ort, 49, OrtMemoryInfo *, void *, size_t, const int64_t *, size_t, int, OrtValue **)(
                      run->memory, ids, bytes, shape, 2, ORT_INT64, &given));
  check(run->ort, ORT_CALL(run->ort, 9, OrtSession *, void *, const char **, OrtValue **, size_t, const char **, size_t,
                           OrtValue **)(run->session, NULL, &input, &given, 1, &output, 1, &found));
  check(run->ort, ort_data(run->ort, found, &vectors));
  const uint8_t *at = vectors;
  for (size_t i = 0; i < (size_t)texts * run->dimension * sizeof(float); i++) run->hash = (run->hash ^ at[i]) * 0x100000001b3u;
  free(ids);
}

static void run_all(Run *run) {
  static const int64_t texts[] = {1, 3, 7}, lengths[] = {2, 5, 16, 33, 128};
  run->hash = 0xcbf29ce484222325u; /* FNV-1a */
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 5; j++) run_batch(run, texts[i], lengths[j]);
}

#ifdef _WIN32
static DWORD WINAPI in_thread(void *run) { return run_all(run), 0; }
static Thread start(Run *run) { return CreateThread(NULL, 0, in_thread, run, 0, NULL); }
static void wait_for(Thread thread) { WaitForSingleObject(thread, INFINITE); }
#else
static void *in_thread(void *run) { return run_all(run), NULL; }
static Thread start(Run *run) {
  Thread thread;
  if (pthread_create(&thread, NULL, in_thread, run)) abort();
  return thread;
}
static void wait_for(Thread thread) { pthread_join(thread, NULL); }
#endif

int main(int count, char **arguments) {
  if (count != 5) return 2;
  Run first = {.ort = load(arguments[1]), .dimension = (size_t)atoi(arguments[4])};
  first.session = open_graph(first.ort, arguments[2], arguments[3]);
  check(first.ort, ORT_CALL(first.ort, 69, int, int, OrtMemoryInfo **)(0, DEVICE_MEMORY, &first.memory));
  Run second = first;
  const Thread threads[] = {start(&first), start(&second)};
  for (int i = 0; i < 2; i++) wait_for(threads[i]);
  printf("first %016" PRIx64 "\nsecond %016" PRIx64 "\n", first.hash, second.hash);
  return 0;
}
