/* Attention where a query's position says which keys it sees, and what distance adds to a score.
 *
 * It is that of attention.h, of the keys that some query of a block sees alone: a window costs what is in it. Queries of a
 * block may see other keys, and how many queries a block has is the instruction set's, so that a query passes unchanged
 * over blocks of keys that it does not see. */
#pragma once

#include "attention.h"

#ifndef COUNT_SCORES
#define COUNT_SCORES(scores) /* tests count how many are computed */
#endif

/* One head of a text: what is the same for all of its queries. */
typedef struct {
  const RuleAttention *call;
  const float *bias; /* of key 0 and query 0; null: none */
} Rule;

/* 16 keys or more, of which `left` are there: their scores times the factor, and the bias, as exponents of 2. */
INLINE void add_bias(float *scores, const float *bias, int64_t left, int64_t there, float factor) {
  for (int64_t j = 0; j < left; j += LANES) {
    const Floats added = multiply(load_first(bias + j, there - j), all(LOG2_E));
    store(scores + j, multiply_add(load(scores + j), all(factor), added));
  }
}

/* The scores of one query with `left` keys, from key `j` on, become shares; returns 0 if it sees none of them. */
INLINE int share_seen(const Rule *rule, Running *run, float *scores, uint32_t *shares, int64_t row, int64_t j, int64_t left,
                      const int r) {
  const Seen seen = seen_by(rule->call, row);
  const int64_t first = seen.first > j ? seen.first - j : 0, end = least(seen.end - j, left);
  if (first >= end) {
    memset(shares, 0, sizeof(Shares));
    run->top[r] = -INFINITY, run->shared[r] = 0;
    return 0;
  }
  float factor = run->factor[r];
  if (rule->bias) {
    add_bias(scores, rule->bias + j - row, left, rule->call->keys - j, factor);
    factor = 1;
  }
  for (int64_t i = 0; i < first; i++) scores[i] = -INFINITY;
  for (int64_t i = end; i < left; i++) scores[i] = -INFINITY;
  run->top[r] = top_of(scores, left);
  run->shared[r] = share_out(scores, shares, left, factor, run->top[r]);
  return 1;
}

/* `began` has a bit for each query that has seen a key: the first block of keys that it sees counts as it is. */
INLINE void share_block_by_rule(const Rule *rule, Running *run, Scores *scores, Shares *shares, int64_t row, int64_t j,
                                int64_t left, unsigned *began, const int rows) {
  unsigned sees = 0;
  for (int r = 0; r < rows; r++)
    sees |= (unsigned)share_seen(rule, run, scores[r], shares[r], row + r, j, left, r) << r;
  const Floats top = load(run->top), highest = maximum(run->highest, top);
  const Floats factor = rule->bias ? all(1) : load(run->factor);
  store(run->kept, power_of_2(multiply(subtract(run->highest, highest), factor), 1));
  store(run->added, power_of_2(multiply(subtract(top, highest), factor), 1));
  for (int r = 0; r < rows; r++)
    if (!(sees >> r & 1))
      run->kept[r] = 1, run->added[r] = 0;
    else if (!(*began >> r & 1))
      run->kept[r] = 0, run->added[r] = 1;
  run->total = multiply_add(run->total, load(run->kept), multiply(load(run->shared), load(run->added)));
  run->highest = highest;
  *began |= sees;
}

/* `rows` is a constant where this is inlined. out: rows `stride` floats apart. */
INLINE void attend_rows_by_rule(const Head *head, const Rule *rule, int64_t row, float *out, int64_t stride, const int rows) {
  const uint32_t *queries = head->queries + row * head->size / PAIR;
  Scores scores[ATTENDED_ROWS];
  Shares shares[ATTENDED_ROWS];
  Running run = {.highest = all(-INFINITY), .total = all(0), .factor = {0}, .top = {0}, .shared = {0}};
  float totals[ATTENDED_ROWS * LARGEST_HEAD];
  unsigned began = 0;
  memset(totals, 0, (size_t)(rows * head->size) * sizeof *totals);
  for (int r = 0; r < rows; r++) run.factor[r] = head->query_scales[row + r] * head->key_scale;
  const int64_t end = seen_by(rule->call, row + rows - 1).end;
  for (int64_t j = seen_by(rule->call, row).first / STEP * STEP; j < end; j = (j / KEYS + 1) * KEYS) {
    const int64_t left = least(end, (j / KEYS + 1) * KEYS) - j;
    COUNT_SCORES(rows * left);
    for (int64_t i = 0; i < left; i += STEP)
      if (left - i > LANES)
        score_keys(head, queries, j + i, scores[0] + i, rows, ATTENDED_VECTORS);
      else
        score_keys(head, queries, j + i, scores[0] + i, rows, 1);
    share_block_by_rule(rule, &run, scores, shares, row, j, left, &began, rows);
    for (int64_t c = 0; c < head->size; c += STEP)
      if (head->size - c > LANES)
        add_values(head, shares, &run, j, left, c, totals, 0, rows, ATTENDED_VECTORS);
      else
        add_values(head, shares, &run, j, left, c, totals, 0, rows, 1);
  }
  float inverse[LANES];
  store(inverse, divide(all(1), run.total));
  for (int r = 0; r < rows; r++)
    for (int64_t c = 0; c < head->size; c += LANES) {
      const Floats total = multiply(load(totals + r * head->size + c), all(inverse[r]));
      store(out + r * stride + c, multiply(total, load(head->value_scales + c)));
    }
}

#define ATTEND_BY_RULE(rows)                                                                                        \
  static void attend_##rows##_by_rule(const Head *head, const Rule *rule, int64_t row, float *out, int64_t stride) { \
    attend_rows_by_rule(head, rule, row, out, stride, rows);                                                        \
  }
typedef void AttendByRule(const Head *, const Rule *, int64_t row, float *out, int64_t stride);
ATTEND_BY_RULE(1) ATTEND_BY_RULE(2) ATTEND_BY_RULE(3) ATTEND_BY_RULE(4)
#if ATTENDED_ROWS == 8
ATTEND_BY_RULE(5) ATTEND_BY_RULE(6) ATTEND_BY_RULE(7) ATTEND_BY_RULE(8)
static AttendByRule *const attend_each_by_rule[ATTENDED_ROWS] = {
    attend_1_by_rule, attend_2_by_rule, attend_3_by_rule, attend_4_by_rule,
    attend_5_by_rule, attend_6_by_rule, attend_7_by_rule, attend_8_by_rule};
#else
static AttendByRule *const attend_each_by_rule[ATTENDED_ROWS] = {attend_1_by_rule, attend_2_by_rule, attend_3_by_rule,
                                                                 attend_4_by_rule};
#endif

/* The heads of queries that share one of keys and values, of the text whose queries are at q. */
static void attend_group_by_rule(const RuleAttention *call, const Head *head, int64_t kv_head, const float *q, float *results) {
  const int64_t group = call->heads / call->kv_heads, width = call->heads * call->size, bias_width = 2 * call->positions - 1;
  for (int64_t which = kv_head * group; which < (kv_head + 1) * group; which++) {
    const Rule rule = {call, call->bias ? call->bias + which * bias_width + call->positions - 1 : NULL};
    const int64_t at = which * call->size;
    pack_queries(head, q + at, call->rows, width);
    for (int64_t r = 0; r < call->rows; r += ATTENDED_ROWS)
      attend_each_by_rule[least(call->rows - r, ATTENDED_ROWS) - 1](head, &rule, r, results + r * width + at, width);
  }
}

static void attend_text_by_rule(const RuleAttention *all, Head *head, int64_t text, float *results) {
  const int64_t width = all->kv_heads * all->size;
  const float *k = all->k + text * all->keys * width, *v = all->v + text * all->keys * width;
  RuleAttention of_text = *all;
  if (all->seen) of_text.keys = all->seen[text];
  const RuleAttention *call = &of_text;
  head->count = call->keys;
  for (int64_t kv_head = 0; kv_head < call->kv_heads; kv_head++) {
    head->key_scale = pack_key_numbers(head, k + kv_head * call->size, width) * (LOG2_E * call->scale);
    pack_values(head, v + kv_head * call->size, width);
    attend_group_by_rule(call, head, kv_head, call->q + text * call->rows * call->heads * call->size, results);
  }
}

static int attend_by_rule(const RuleAttention *call, const Kept *kept, Rows out) {
  const int64_t padded = parts(call->keys, STEP) * STEP, size = call->size;
  const int64_t queries = parts(call->rows * size / PAIR, LANES) * LANES, keys = padded * size / PAIR;
  const int64_t results = call->rows * call->heads * size;
  uint32_t *memory = scratch(SCRATCH_RESULTS, (size_t)(queries + 2 * keys + size + call->rows + results) * sizeof *memory);
  if (!memory) return 0;
  Head head = {.queries = memory,
               .keys = memory + queries,
               .values = memory + queries + keys,
               .value_scales = (float *)(memory + queries + 2 * keys),
               .query_scales = (float *)(memory + queries + 2 * keys + size),
               .count = call->keys,
               .padded = padded,
               .size = size};
  float *rows = head.query_scales + call->rows;
  for (int64_t text = 0; text < call->texts; text++) {
    attend_text_by_rule(call, &head, text, rows);
    quantise(kept, rows, call->rows, after(out, kept, text * call->rows));
  }
  return 1;
}
