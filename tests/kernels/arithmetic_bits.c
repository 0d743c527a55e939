/* Run every function of every table that this CPU can run on the same numbers, and print each table's name and a hash of all
 * results. The hashes of all tables, on all CPUs and by all compilers, must be the same. */
#define _POSIX_C_SOURCE 200112L /* setenv */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arithmetic.h"

#ifdef _WIN32
#include <windows.h>
#define NAME_SET(name) SetEnvironmentVariableA("EMBED_PLUGIN_INSTRUCTION_SET", name)
#else
#define NAME_SET(name) setenv("EMBED_PLUGIN_INSTRUCTION_SET", name, 1)
#endif

#define COUNT(x) (int)(sizeof(x) / sizeof *(x))

/* FNV-1a, 64 bits. */
typedef struct {
  uint64_t hash, drawn;
  const Arithmetic *arithmetic;
} Run;

static void count_in(Run *run, const void *data, size_t bytes) {
  const uint8_t *at = data;
  for (size_t i = 0; i < bytes; i++) run->hash = (run->hash ^ at[i]) * 0x100000001b3u;
}

/* A linear congruential generator, by Knuth's constants; its first bits are the best ones. */
static uint32_t draw(Run *run) {
  run->drawn = run->drawn * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(run->drawn >> 32);
}

/* -1..1, exactly. */
static float draw_float(Run *run) { return (float)((int32_t)draw(run) >> 8) / (1 << 23); }

static void *memory(int64_t bytes) {
  void *found = calloc((size_t)bytes + 1, 1);
  if (!found) abort();
  return found;
}

/* Rows of floats, each row of a magnitude of its own, from 2 ** -8 to 2 ** 7. */
static float *draw_rows(Run *run, int64_t rows, int64_t width) {
  float *x = memory(rows * width * (int64_t)sizeof *x);
  for (int64_t r = 0; r < rows; r++) {
    const int power = (int)(draw(run) >> 28) - 8;
    for (int64_t i = 0; i < width; i++) x[r * width + i] = ldexpf(draw_float(run), power);
  }
  return x;
}

static const int64_t channels[] = {0, 5, 14, 20, 62};

/* The channels of a row that are kept: none where `width` is 1. */
static Kept kept_of(int64_t width) {
  Kept kept = {.channels = channels, .count = 0, .width = width};
  memset(kept.quantised, 0xff, sizeof kept.quantised);
  if (width % LANES) kept.quantised[width / LANES] = (uint16_t)((1u << width % LANES) - 1);
  if (width == 1) return kept;
  for (; kept.count < COUNT(channels) && channels[kept.count] < width; kept.count++)
    kept.quantised[channels[kept.count] / LANES] &= (uint16_t)~(1u << channels[kept.count] % LANES);
  return kept;
}

static Rows make_rows(const Kept *kept, int64_t count) {
  return (Rows){memory(count * kept->width), memory(count * term_count(kept) * (int64_t)sizeof(float))};
}

/* The bytes of kept channels are undefined, and left out. */
static void count_in_rows(Run *run, const Kept *kept, int64_t count, Rows rows) {
  for (int64_t r = 0; r < count; r++)
    for (int64_t i = 0; i < kept->width; i++)
      if (kept->quantised[i / LANES] >> i % LANES & 1) count_in(run, rows.bytes + r * kept->width + i, 1);
  count_in(run, rows.terms, (size_t)(count * term_count(kept)) * sizeof *rows.terms);
  free(rows.bytes);
  free(rows.terms);
}

static void count_in_floats(Run *run, float *x, int64_t count) {
  count_in(run, x, (size_t)count * sizeof *x);
  free(x);
}

enum { SOME_ROWS = 5 };

static void try_row(Run *run, int64_t width) {
  const Kept kept = kept_of(width);
  float *x = draw_rows(run, SOME_ROWS, width);
  memset(x, 0, (size_t)width * sizeof *x);
  Rows rows = make_rows(&kept, SOME_ROWS);
  run->arithmetic->quantise(&kept, x, SOME_ROWS, rows);
  count_in_rows(run, &kept, SOME_ROWS, rows);
  rows = make_rows(&kept, SOME_ROWS);
  run->arithmetic->activate(&kept, x, SOME_ROWS, rows);
  count_in_rows(run, &kept, SOME_ROWS, rows);
  count_in_floats(run, x, SOME_ROWS * width);
}

static void try_norm(Run *run, int64_t width) {
  const Kept kept = kept_of(width);
  float *a = draw_rows(run, SOME_ROWS, width), *b = draw_rows(run, SOME_ROWS, width);
  float *gamma = draw_rows(run, 1, width), *beta = draw_rows(run, 1, width);
  float *y = memory(SOME_ROWS * width * (int64_t)sizeof *y);
  Norm call = {.a = a, .b = b, .gamma = gamma, .beta = beta, .y = y, .count = SOME_ROWS, .width = width, .epsilon = 1e-12f};
  const Rows rows = make_rows(&kept, SOME_ROWS);
  run->arithmetic->norm_and_quantise(&call, &kept, rows);
  count_in_rows(run, &kept, SOME_ROWS, rows);
  count_in(run, y, (size_t)(SOME_ROWS * width) * sizeof *y);
  call.b = NULL;
  run->arithmetic->norm(&call);
  count_in(run, y, (size_t)(SOME_ROWS * width) * sizeof *y);
  run->arithmetic->sum_rows(a, SOME_ROWS, width, y);
  run->arithmetic->scale_to_unit(a, width, 1e-12f, y + width * (SOME_ROWS - 1));
  count_in(run, y, (size_t)(SOME_ROWS * width) * sizeof *y);
  call.b = b, call.beta = NULL, call.rms = 1, call.normed = memory(width * (int64_t)sizeof *y);
  const Rows apart = make_rows(&kept, SOME_ROWS);
  run->arithmetic->norm_and_quantise(&call, &kept, apart);
  count_in_rows(run, &kept, SOME_ROWS, apart);
  run->arithmetic->multiply_rows(a, SOME_ROWS, width, gamma, b);
  count_in(run, b, SOME_ROWS * sizeof *b);
  count_in_floats(run, y, SOME_ROWS * width);
  free(a), free(b), free(gamma), free(beta), free(call.normed);
}

static void try_gates(Run *run, int64_t width) {
  const Kept kept = kept_of(width);
  for (int activation = GELU; activation < ACTIVATIONS; activation++)
    for (int gated = 0; gated < 2; gated++) {
      const Gate gate = {(Activation)activation, gated};
      float *x = draw_rows(run, SOME_ROWS, width * (1 + gated));
      const Rows rows = make_rows(&kept, SOME_ROWS);
      run->arithmetic->gate(&gate, &kept, x, SOME_ROWS, rows);
      count_in_rows(run, &kept, SOME_ROWS, rows);
      free(x);
    }
}

static void try_rotation(Run *run, int64_t size, int norm) {
  enum { TEXTS = 2, TOKENS = 3, HEADS = 2 };
  const int64_t count = TEXTS * TOKENS * HEADS;
  float *x = draw_rows(run, count, size), *gamma = draw_rows(run, 1, size);
  float *cosines = draw_rows(run, TOKENS, size / 2), *sines = draw_rows(run, TOKENS, size / 2);
  float *y = memory(count * size * (int64_t)sizeof *y);
  const Rotation call = {.x = x, .cosines = cosines, .sines = sines, .gamma = norm ? gamma : NULL, .y = y, .texts = TEXTS,
                         .tokens = TOKENS, .heads = HEADS, .size = size, .epsilon = 1e-6f};
  run->arithmetic->rotate(&call);
  count_in_floats(run, y, count * size);
  free(x), free(cosines), free(sines), free(gamma);
}

/* int8 weights in panels, zeros past the last row and column, and each column's correction. Some are the extremes. */
static void draw_weights(Run *run, const Product *p, int8_t *weights, int32_t *correction) {
  for (int64_t column = 0; column < p->columns; column++)
    for (int64_t k = 0; k < p->depth; k++) {
      const uint32_t drawn = draw(run);
      const int weight = drawn < 1u << 28 ? -128 : drawn < 1u << 29 ? 127 : (int)(drawn >> 8 & 255) - 128;
      const int64_t group = column / LANES * parts(p->depth, GROUP) + k / GROUP;
      weights[(group * LANES + column % LANES) * GROUP + k % GROUP] = (int8_t)weight;
      correction[column] -= CENTRE * weight;
    }
}

static void try_product(Run *run, int64_t rows, int64_t depth, int64_t columns) {
  enum { TERMS = 4 };
  Product p = {.row_count = rows, .depth = depth, .columns = columns, .stride = columns, .term_count = TERMS};
  uint8_t *bytes = memory(rows * depth);
  for (int64_t i = 0; i < rows * depth; i++) bytes[i] = (uint8_t)(draw(run) >> 24);
  int8_t *weights = memory(parts(columns, LANES) * LANES * parts(depth, GROUP) * GROUP);
  int32_t *correction = memory(columns * (int64_t)sizeof *correction);
  draw_weights(run, &p, weights, correction);
  float *terms = draw_rows(run, rows, TERMS), *multiplier = draw_rows(run, 1, columns), *bias = draw_rows(run, 1, columns);
  float *term_weights = draw_rows(run, TERMS - 1, columns);
  p.rows = bytes, p.weights = weights, p.correction = correction;
  p.terms = terms, p.multiplier = multiplier, p.bias = bias, p.term_weights = term_weights;
  p.result = memory(rows * columns * (int64_t)sizeof *p.result);
  if (!run->arithmetic->multiply(&p)) abort();
  count_in_floats(run, p.result, rows * columns);
  free(bytes), free(weights), free(correction), free(terms), free(multiplier), free(bias), free(term_weights);
}

static void try_attention(Run *run, int64_t size, int64_t keys, int64_t rows) {
  enum { TEXTS = 2, HEADS = 2 };
  const int64_t width = HEADS * size, count = TEXTS * rows;
  const Kept kept = kept_of(width);
  float *q = draw_rows(run, count, width), *k = draw_rows(run, TEXTS * keys, width), *v = draw_rows(run, TEXTS * keys, width);
  const Attention call = {.q = q, .k = k, .v = v, .texts = TEXTS, .rows = rows, .keys = keys, .heads = HEADS, .size = size, .width = width};
  const Rows out = make_rows(&kept, count);
  if (!run->arithmetic->attend(&call, &kept, out)) abort();
  count_in_rows(run, &kept, count, out);
  free(q), free(k), free(v);
}

static void try_rule(Run *run, const RuleAttention *rule) {
  enum { TEXTS = 2, HEADS = 4, KV_HEADS = 2 };
  RuleAttention call = *rule;
  call.texts = TEXTS, call.heads = HEADS, call.kv_heads = KV_HEADS, call.scale = 0.125f;
  const int64_t width = HEADS * call.size, kv_width = KV_HEADS * call.size, count = TEXTS * call.rows;
  const Kept kept = kept_of(width);
  float *q = draw_rows(run, count, width), *k = draw_rows(run, TEXTS * call.keys, kv_width);
  float *v = draw_rows(run, TEXTS * call.keys, kv_width), *bias = draw_rows(run, HEADS, 2 * call.positions + 1);
  call.q = q, call.k = k, call.v = v;
  if (call.positions) call.bias = bias;
  const Rows out = make_rows(&kept, count);
  if (!run->arithmetic->attend_by_rule(&call, &kept, out)) abort();
  count_in_rows(run, &kept, count, out);
  free(q), free(k), free(v), free(bias);
}

static void try_rules(Run *run, int64_t size, int64_t keys, int64_t rows) {
  static const int64_t windows[] = {-1, 0, 20, 128};
  for (int i = 0; i < COUNT(windows); i++)
    for (int causal = 0; causal < 2; causal++)
      for (int biased = 0; biased < 2; biased++)
        try_rule(run, &(RuleAttention){.size = size, .keys = keys, .rows = least(rows, keys), .window = windows[i],
                                       .causal = causal, .positions = biased ? keys : 0});
}

static void try_all(Run *run) {
  static const int64_t widths[] = {1, 15, 16, 17, 63, 384};
  static const int64_t row_counts[] = {1, 2, 3, 4, 5, 6, 7, 97}, depths[] = {1, 3, 4, 62, 388}, columns[] = {1, 15, 16, 33, 64};
  static const int64_t sizes[] = {16, 32, 48, 64, 128, 256}, keys[] = {1, 15, 16, 17, 33, 129, 300}, queries[] = {1, 3, 5, 9};
  static const int64_t turned[] = {2, 6, 16, 30, 48, 64, 128};
  for (int i = 0; i < COUNT(widths); i++) try_row(run, widths[i]), try_norm(run, widths[i]), try_gates(run, widths[i]);
  for (int i = 0; i < COUNT(turned); i++) try_rotation(run, turned[i], 0), try_rotation(run, turned[i], 1);
  for (int i = 0; i < COUNT(row_counts); i++)
    for (int j = 0; j < COUNT(depths); j++)
      for (int k = 0; k < COUNT(columns); k++) try_product(run, row_counts[i], depths[j], columns[k]);
  for (int i = 0; i < COUNT(sizes); i++)
    for (int j = 0; j < COUNT(keys); j++)
      for (int k = 0; k < COUNT(queries); k++) try_attention(run, sizes[i], keys[j], queries[k]);
  for (int i = 0; i < COUNT(sizes); i += 2)
    for (int j = 0; j < COUNT(keys); j++) try_rules(run, sizes[i], keys[j], 9), try_rules(run, sizes[i], keys[j], keys[j]);
}

int main(void) {
  static const char *const names[] = {"scalar", "avx2", "avx-vnni", "avx512-vnni", "amx", "dotprod", "i8mm"};
  for (int i = 0; i < COUNT(names); i++) {
    NAME_SET(names[i]);
    Run run = {.hash = 0xcbf29ce484222325u, .drawn = 1, .arithmetic = choose_arithmetic()};
    if (strcmp(run.arithmetic->name, names[i]) != 0) continue; /* this CPU, or this build, does not have it */
    try_all(&run);
    printf("%s %016llx\n", names[i], (unsigned long long)run.hash);
  }
  return 0;
}
