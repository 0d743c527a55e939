/* softmax(q k^T / sqrt(size)) v of every head, as rows.
 *
 * Queries, keys, values and shares are whole numbers of 12 to 14 bits, so that their products are summed exactly, in any
 * order. 128 keys are gone through at a time: their shares are relative to the largest score of them, and blocks are added up
 * as floats, each relative to the largest score so far. No memory is needed for the scores of a whole text. */
#pragma once

#include <math.h>

#include "../scratch.h"
#include "quantise.h"

enum { KEYS = 128, PAIR = 2 };
enum { SHARE_BITS = 13, LARGEST_VALUE = 2047 }; /* KEYS * 2 ** SHARE_BITS * LARGEST_VALUE < 2 ** 31 */
enum { STEP = ATTENDED_VECTORS * LANES };      /* keys, or channels of values, whose sums are registers */
enum { LEAST_POWER = -40 };                     /* 2 ** -40 is no share */

/* Of a scale, so that products of two are normal. */
#define SMALLEST_HEAD_SCALE 1e-18f
#define LOG2_E 1.44269504f

/* The largest query and key: LARGEST_HEAD * 2047 ** 2 and 128 * 4095 ** 2 < 2 ** 31. */
static inline float largest_key(int64_t size) { return size <= 128 ? 4095.0f : 2047.0f; }

/* One head of one text. A pair is two int16. */
typedef struct {
  uint32_t *queries;   /* [rows][size / 2]: two neighbouring channels of a query */
  uint32_t *keys;      /* [padded / STEP][size / 2][STEP]: two neighbouring channels of a key */
  uint32_t *values;    /* [padded / 2][size]: one channel of two neighbouring keys */
  float *query_scales; /* [rows] */
  float *value_scales; /* [size] */
  int64_t count, padded, size;
  float key_scale; /* times log2(e) / sqrt(size), so that scores are exponents of 2 */
} Head;

/* The channels of the keys from `j` on: whole steps, or a part of one. */
INLINE uint32_t *keys_at(const Head *head, int64_t j) { return head->keys + j / STEP * STEP * head->size / PAIR + j % STEP; }

/* The scale at which the largest magnitude of `rows` rows, `stride` apart, is `largest`. */
static float scale_of(const float *x, int64_t rows, int64_t stride, int64_t size, float largest) {
  Floats most = all(0);
  for (int64_t r = 0; r < rows; r++)
    for (int64_t c = 0; c < size; c += LANES) most = maximum(most, absolute(load(x + r * stride + c)));
  const float scale = most_of(most) / largest;
  return scale > SMALLEST_HEAD_SCALE ? scale : SMALLEST_HEAD_SCALE;
}

INLINE void pack_row(const float *x, int64_t size, Floats inverse, int16_t *to) {
  for (int64_t c = 0; c < size; c += LANES) store_int16(to + c, to_ints(multiply(load(x + c), inverse)));
}

static void pack_queries(const Head *head, const float *q, int64_t rows, int64_t stride) {
  for (int64_t r = 0; r < rows; r++, q += stride) {
    const float scale = scale_of(q, 1, stride, head->size, largest_key(head->size));
    pack_row(q, head->size, all(1 / scale), (int16_t *)(head->queries + r * head->size / PAIR));
    head->query_scales[r] = scale;
  }
}

/* Keys past the last are 0; their scores are left out later. Returns their scale. */
static float pack_key_numbers(const Head *head, const float *k, int64_t stride) {
  const float scale = scale_of(k, head->count, stride, head->size, largest_key(head->size));
  int16_t keys[LANES * LARGEST_HEAD];
  for (int64_t j = 0; j < head->padded; j += LANES) {
    const int64_t left = least(head->count - j, LANES);
    for (int64_t i = 0; i < left; i++) pack_row(k + (j + i) * stride, head->size, all(1 / scale), keys + i * head->size);
    if (left < LANES) {
      const int64_t from = left > 0 ? left : 0;
      memset(keys + from * head->size, 0, (size_t)((LANES - from) * head->size) * sizeof *keys);
    }
    for (int64_t c = 0; c < head->size; c += LANES)
      store_columns(keys_at(head, j) + c / PAIR * STEP, STEP, keys + c, head->size);
  }
  return scale;
}

static void pack_keys(Head *head, const float *k, int64_t stride) {
  head->key_scale = pack_key_numbers(head, k, stride) * (LOG2_E / sqrtf((float)head->size));
}

/* Values past the last are 0, and so are their shares. */
static void pack_values(Head *head, const float *v, int64_t stride) {
  for (int64_t c = 0; c < head->size; c += LANES) {
    Floats most = all(0);
    for (int64_t j = 0; j < head->count; j++) most = maximum(most, absolute(load(v + j * stride + c)));
    const Floats scale = maximum(divide(most, all(LARGEST_VALUE)), all(SMALLEST_HEAD_SCALE));
    const Floats inverse = divide(all(1), scale);
    store(head->value_scales + c, scale);
    for (int64_t j = 0; j < head->count; j += PAIR) {
      const float *value = v + j * stride + c;
      const Ints first = to_ints(multiply(load(value), inverse));
      const Ints second = j + 1 < head->count ? to_ints(multiply(load(value + stride), inverse)) : all_ints(0);
      const Ints pairs = pairs_of(first, second);
      memcpy(head->values + j / PAIR * head->size + c, &pairs, sizeof pairs);
    }
  }
}

typedef float Scores[KEYS];
typedef uint32_t Shares[KEYS / PAIR];

/* Sums of 16 * vectors keys, from key `j` on. */
INLINE void score_keys(const Head *head, const uint32_t *queries, int64_t j, float *scores, const int rows,
                       const int vectors) {
  Ints sums[ATTENDED_ROWS][ATTENDED_VECTORS];
  UNROLL
  for (int r = 0; r < rows; r++)
    UNROLL
    for (int i = 0; i < vectors; i++) sums[r][i] = all_ints(0);
  const int64_t pairs = head->size / PAIR;
  const uint32_t *from = keys_at(head, j);
  for (int64_t c = 0; c < pairs; c++) {
    Ints keys[ATTENDED_VECTORS];
    UNROLL
    for (int i = 0; i < vectors; i++) keys[i] = load_ints(from + c * STEP + i * LANES);
    UNROLL
    for (int r = 0; r < rows; r++)
      UNROLL
      for (int i = 0; i < vectors; i++) sums[r][i] = add_pairs(sums[r][i], keys[i], queries[r * pairs + c]);
  }
  UNROLL
  for (int r = 0; r < rows; r++)
    UNROLL
    for (int i = 0; i < vectors; i++) store(scores + r * KEYS + i * LANES, to_floats(sums[r][i]));
}

/* 2 ** x for x <= 0, to 3e-6 of its value, times `unit`: the exponent for the whole part of x, and for the rest, which is
 * -0.5..0.5, the polynomial of degree 4 whose largest relative error is least. */
INLINE Floats power_of_2(Floats x, const float unit) {
  x = maximum(x, all(LEAST_POWER));
  const Floats whole = whole_of(x), part = less_whole(x, whole);
  Floats p = all(9.570083e-3f * unit);
  p = multiply_add(p, part, all(5.5917844e-2f * unit));
  p = multiply_add(p, part, all(2.4024744e-1f * unit));
  p = multiply_add(p, part, all(6.931218e-1f * unit));
  p = multiply_add(p, part, all(9.999993e-1f * unit));
  return scale_by_power(p, whole);
}

/* What the blocks of some rows have come to, a lane for each row: the largest score and the sum of shares. `kept` and `added`
 * are the factors of what is there and of the block that comes, relative to the largest score of both. */
typedef struct {
  float factor[LANES], top[LANES], shared[LANES], kept[LANES], added[LANES];
  Floats highest, total;
} Running;

INLINE float top_of(float *scores, int64_t left) {
  const int64_t padded = parts(left, LANES) * LANES;
  for (int64_t j = left; j < padded; j++) scores[j] = -INFINITY;
  Floats top = load(scores);
  for (int64_t j = LANES; j < padded; j += LANES) top = maximum(top, load(scores + j));
  return most_of(top);
}

/* The scores of one row's block become shares, relative to its largest, in units of 2 ** -SHARE_BITS; returns their sum. */
INLINE float share_out(const float *scores, uint32_t *shares, int64_t left, float factor, float top) {
  Ints total = all_ints(0);
  for (int64_t j = 0; j < left; j += LANES) {
    const Floats below = multiply(subtract(load(scores + j), all(top)), all(factor));
    const Ints share = to_ints(power_of_2(below, 1 << SHARE_BITS));
    total = add_ints(total, share);
    store_int16((int16_t *)shares + j, share);
  }
  return (float)sum_of_ints(total);
}

INLINE void share_block(Running *run, Scores *scores, Shares *shares, int64_t left, const int rows) {
  for (int r = 0; r < rows; r++) run->top[r] = top_of(scores[r], left);
  for (int r = 0; r < rows; r++) run->shared[r] = share_out(scores[r], shares[r], left, run->factor[r], run->top[r]);
  const Floats top = load(run->top), highest = maximum(run->highest, top), factor = load(run->factor);
  const Floats kept = power_of_2(multiply(subtract(run->highest, highest), factor), 1);
  const Floats added = power_of_2(multiply(subtract(top, highest), factor), 1);
  run->total = multiply_add(run->total, kept, multiply(load(run->shared), added));
  run->highest = highest;
  store(run->kept, kept);
  store(run->added, added);
}

/* Add 16 * vectors channels of `left` values, from key `j` and channel `c` on, to the sums of the blocks before. */
INLINE void add_values(const Head *head, const Shares *shares, const Running *run, int64_t j, int64_t left, int64_t c,
                       float *totals, int is_first, const int rows, const int vectors) {
  Ints sums[ATTENDED_ROWS][ATTENDED_VECTORS];
  UNROLL
  for (int r = 0; r < rows; r++)
    UNROLL
    for (int i = 0; i < vectors; i++) sums[r][i] = all_ints(0);
  const int64_t pairs = parts(left, PAIR);
  const uint32_t *from = head->values + j / PAIR * head->size + c;
  for (int64_t pair = 0; pair < pairs; pair++, from += head->size) {
    Ints values[ATTENDED_VECTORS];
    UNROLL
    for (int i = 0; i < vectors; i++) values[i] = load_ints(from + i * LANES);
    UNROLL
    for (int r = 0; r < rows; r++)
      UNROLL
      for (int i = 0; i < vectors; i++) sums[r][i] = add_pairs(sums[r][i], values[i], shares[r][pair]);
  }
  UNROLL
  for (int r = 0; r < rows; r++)
    UNROLL
    for (int i = 0; i < vectors; i++) {
      float *at = totals + r * head->size + c + i * LANES;
      const Floats sum = to_floats(sums[r][i]);
      store(at, is_first ? sum : multiply_add(sum, all(run->added[r]), multiply(load(at), all(run->kept[r]))));
    }
}

/* `rows` is a constant where this is inlined, so that all sums are registers. out: rows `stride` floats apart. */
INLINE void attend_rows(const Head *head, int64_t row, float *out, int64_t stride, const int rows) {
  const uint32_t *queries = head->queries + row * head->size / PAIR;
  Scores scores[ATTENDED_ROWS];
  Shares shares[ATTENDED_ROWS];
  Running run = {.highest = all(-INFINITY), .total = all(0), .factor = {0}, .top = {0}, .shared = {0}};
  float totals[ATTENDED_ROWS * LARGEST_HEAD];
  for (int r = 0; r < rows; r++) run.factor[r] = head->query_scales[row + r] * head->key_scale;
  for (int64_t j = 0; j < head->count; j += KEYS) {
    const int64_t left = least(head->count - j, KEYS);
    for (int64_t i = 0; i < left; i += STEP)
      if (left - i > LANES)
        score_keys(head, queries, j + i, scores[0] + i, rows, ATTENDED_VECTORS);
      else
        score_keys(head, queries, j + i, scores[0] + i, rows, 1);
    share_block(&run, scores, shares, left, rows);
    for (int64_t c = 0; c < head->size; c += STEP)
      if (head->size - c > LANES)
        add_values(head, shares, &run, j, left, c, totals, j == 0, rows, ATTENDED_VECTORS);
      else
        add_values(head, shares, &run, j, left, c, totals, j == 0, rows, 1);
  }
  float inverse[LANES];
  store(inverse, divide(all(1), run.total));
  for (int r = 0; r < rows; r++)
    for (int64_t c = 0; c < head->size; c += LANES) {
      const Floats total = multiply(load(totals + r * head->size + c), all(inverse[r]));
      store(out + r * stride + c, multiply(total, load(head->value_scales + c)));
    }
}

#define ATTEND(rows)                                                                     \
  static void attend_##rows(const Head *head, int64_t row, float *out, int64_t stride) { \
    attend_rows(head, row, out, stride, rows);                                           \
  }
typedef void Attend(const Head *, int64_t row, float *out, int64_t stride);
ATTEND(1) ATTEND(2) ATTEND(3) ATTEND(4)
#if ATTENDED_ROWS == 8
ATTEND(5) ATTEND(6) ATTEND(7) ATTEND(8)
static Attend *const attend_each[ATTENDED_ROWS] = {attend_1, attend_2, attend_3, attend_4,
                                                   attend_5, attend_6, attend_7, attend_8};
#else
static Attend *const attend_each[ATTENDED_ROWS] = {attend_1, attend_2, attend_3, attend_4};
#endif

static void attend_head(const Attention *call, Head *head, int64_t which, float *results) {
  const int64_t width = call->width, at = which * call->size;
  pack_queries(head, call->q + at, call->rows, width);
  pack_keys(head, call->k + at, width);
  pack_values(head, call->v + at, width);
  for (int64_t r = 0; r < call->rows; r += ATTENDED_ROWS)
    attend_each[least(call->rows - r, ATTENDED_ROWS) - 1](head, r, results + r * width + at, width);
}

static int attend_heads(const Attention *call, float *rows) {
  const int64_t padded = parts(call->keys, STEP) * STEP, size = call->size;
  const int64_t queries = parts(call->rows * size / PAIR, LANES) * LANES, keys = padded * size / PAIR;
  uint32_t *memory = scratch(SCRATCH_HEAD, (size_t)(queries + 2 * keys + size + call->rows) * sizeof *memory);
  if (!memory) return 0;
  Head head = {.queries = memory,
               .keys = memory + queries,
               .values = memory + queries + keys,
               .value_scales = (float *)(memory + queries + 2 * keys),
               .query_scales = (float *)(memory + queries + 2 * keys + size),
               .count = call->keys,
               .padded = padded,
               .size = size};
  for (int64_t which = 0; which < call->heads; which++) attend_head(call, &head, which, rows);
  return 1;
}

static int attend(const Attention *call, const Kept *kept, Rows out) {
  float *rows = scratch(SCRATCH_RESULTS, (size_t)(call->rows * call->width) * sizeof *rows);
  if (!rows) return 0;
  for (int64_t text = 0; text < call->texts; text++) {
    const Attention one = attention_of(call, text, 0, call->heads);
    if (!attend_heads(&one, rows)) return 0;
    quantise(kept, rows, call->rows, after(out, kept, text * call->rows));
  }
  return 1;
}
