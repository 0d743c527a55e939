/* Up to 8 rows of queries against one head: softmax(q k^T / sqrt(size)) v.
 *
 * `size` (channels of a head) and `rows` are constants wherever this is called, so that the sums stay in registers.
 * Each row goes through the same operations in the same order, whatever rows are beside it. */
#pragma once

#include "attention_head.h"

enum { ROWS = 8 };

#define ALWAYS_INLINE static inline __attribute__((always_inline))

ALWAYS_INLINE Floats add_products(Floats sum, __m512i pairs, uint32_t pair) {
  return _mm512_dpbf16_ps(sum, (__m512bh)pairs, (__m512bh)_mm512_set1_epi32((int)pair));
}

/* Scores of 32 keys, in powers of 2: log2(e) / sqrt(size) is a factor of the queries already. */
ALWAYS_INLINE void score_keys(const PackedHead *head, const Workspace *work, uint32_t queries[][LARGEST_HEAD / 2],
                              int64_t j, Floats top[], const int size, const int rows) {
  Floats sums[ROWS][2];
  for (int r = 0; r < rows; r++) sums[r][0] = sums[r][1] = all(0);
  for (int c = 0; c < size / 2; c++) {
    const uint32_t *keys = head->keys + c * head->padded + j;
    const __m512i first = _mm512_load_si512(keys), second = _mm512_load_si512(keys + LANES);
    for (int r = 0; r < rows; r++) {
      sums[r][0] = add_products(sums[r][0], first, queries[r][c]);
      sums[r][1] = add_products(sums[r][1], second, queries[r][c]);
    }
  }
  const int64_t left = head->count - j;
  for (int r = 0; r < rows; r++) {
    const Floats none = all(-INFINITY);
    if (left < 2 * LANES) {
      sums[r][0] = _mm512_mask_mov_ps(none, lanes(left), sums[r][0]);
      sums[r][1] = _mm512_mask_mov_ps(none, lanes(left - LANES), sums[r][1]);
    }
    _mm512_store_ps(work->scores + r * head->padded + j, sums[r][0]);
    _mm512_store_ps(work->scores + r * head->padded + j + LANES, sums[r][1]);
    top[r] = _mm512_max_ps(top[r], _mm512_max_ps(sums[r][0], sums[r][1]));
  }
}

/* 2 ** (score - top) of each key as bf16, for one row; returns their sum. */
ALWAYS_INLINE float share_out(const float *scores, uint32_t *shares, Floats top, int64_t padded) {
  Floats sum = all(0);
  for (int64_t j = 0; j < padded; j += 2 * LANES) {
    const Floats first = power_of_2(_mm512_sub_ps(_mm512_load_ps(scores + j), top));
    const Floats second = power_of_2(_mm512_sub_ps(_mm512_load_ps(scores + j + LANES), top));
    sum = _mm512_add_ps(sum, _mm512_add_ps(first, second));
    _mm512_store_si512(shares + j / 2, to_bf16(first, second));
  }
  return _mm512_reduce_add_ps(sum);
}

/* 32 channels of the values' sums, from channel `c`: 16 sums fill half of the registers, and all of a larger head's
 * would not fit. */
ALWAYS_INLINE void add_values(const PackedHead *head, const Workspace *work, const float totals[], float *out,
                              int64_t stride, int c, const int size, const int rows) {
  Floats sums[ROWS][2];
  for (int r = 0; r < rows; r++) sums[r][0] = sums[r][1] = all(0);
  for (int64_t i = 0; i < (head->count + 1) / 2; i++) {
    const uint32_t *values = head->values + i * size + c;
    const __m512i first = _mm512_load_si512(values), second = _mm512_load_si512(values + LANES);
    for (int r = 0; r < rows; r++) {
      const uint32_t pair = work->shares[r * head->padded / 2 + i];
      sums[r][0] = add_products(sums[r][0], first, pair);
      sums[r][1] = add_products(sums[r][1], second, pair);
    }
  }
  for (int r = 0; r < rows; r++) {
    const Floats factor = all(1 / totals[r]);
    _mm512_storeu_ps(out + r * stride + c, _mm512_mul_ps(sums[r][0], factor));
    _mm512_storeu_ps(out + r * stride + c + LANES, _mm512_mul_ps(sums[r][1], factor));
  }
}

/* queries and out: `rows` rows, `stride` floats apart. */
ALWAYS_INLINE void attend(const PackedHead *head, const Workspace *work, const float *queries, int64_t stride,
                          float *out, const int size, const int rows) {
  const Floats factor = all(1.44269504f / (size == 32 ? 5.65685425f : 8.0f)); /* log2(e) / sqrt(size) */
  uint32_t packed[ROWS][LARGEST_HEAD / 2];
  Floats top[ROWS];
  for (int r = 0; r < rows; r++) {
    for (int c = 0; c < size; c += 2 * LANES) {
      const Floats low = _mm512_loadu_ps(queries + r * stride + c);
      const Floats high = _mm512_loadu_ps(queries + r * stride + c + LANES);
      _mm512_storeu_si512(packed[r] + c / 2, to_bf16(_mm512_mul_ps(low, factor), _mm512_mul_ps(high, factor)));
    }
    top[r] = all(-INFINITY);
  }
  for (int64_t j = 0; j < head->padded; j += 2 * LANES) score_keys(head, work, packed, j, top, size, rows);
  float totals[ROWS];
  for (int r = 0; r < rows; r++)
    totals[r] = share_out(work->scores + r * head->padded, work->shares + r * head->padded / 2,
                          all(_mm512_reduce_max_ps(top[r])), head->padded);
  for (int c = 0; c < size; c += 2 * LANES) add_values(head, work, totals, out, stride, c, size, rows);
}
