/* 16 rows of queries against one head, with AMX. */
#include "attention_head.h"

#include "tiles.h"

/* The order of the rows' vectors that puts each row's number in its own lane. */
static const int place[TILE_ROWS] = {0, 4, 8, 12, 2, 6, 10, 14, 1, 5, 9, 13, 3, 7, 11, 15};

/* One number of each of 16 vectors: their sums, or their largest lanes. Each level halves the number of vectors, and that
 * of lanes which belong to one row. */
#define REDUCE(name, operation)                                                                                    \
  static inline Floats name(Floats x[TILE_ROWS]) {                                                                 \
    for (int i = 0; i < 8; i++)                                                                                    \
      x[i] = operation(_mm512_unpacklo_ps(x[i], x[i + 8]), _mm512_unpackhi_ps(x[i], x[i + 8]));                    \
    for (int i = 0; i < 4; i++)                                                                                    \
      x[i] = operation(_mm512_unpacklo_ps(x[i], x[i + 4]), _mm512_unpackhi_ps(x[i], x[i + 4]));                    \
    for (int i = 0; i < 2; i++)                                                                                    \
      x[i] = operation(_mm512_shuffle_f32x4(x[i], x[i + 2], 0x88), _mm512_shuffle_f32x4(x[i], x[i + 2], 0xdd));    \
    return operation(_mm512_shuffle_f32x4(x[0], x[1], 0x88), _mm512_shuffle_f32x4(x[0], x[1], 0xdd));              \
  }
REDUCE(sums_of, _mm512_add_ps)
REDUCE(tops_of, _mm512_max_ps)

enum { STEP = 2 * LANES }; /* bf16 in a row of a tile */

/* Scores in powers of 2: log2(e) / sqrt(size) is a factor of the queries already. */
static void score_keys(const PackedHead *head, const Workspace *work, const uint32_t *queries, int size) {
  const int64_t keys = head->padded * 4, row = head->padded * 4;
  for (int64_t j = 0; j < head->padded; j += STEP) {
    TILE_ZERO(0);
    TILE_ZERO(1);
    for (int c = 0; c < size / 2; c += LANES) {
      TILE_LOAD(4, queries + c, size * 2);
      TILE_LOAD(6, head->keys + c * head->padded + j, keys);
      TILE_ADD_BF16(0, 4, 6);
      TILE_LOAD(7, head->keys + c * head->padded + j + LANES, keys);
      TILE_ADD_BF16(1, 4, 7);
    }
    TILE_STORE(0, work->scores + j, row);
    TILE_STORE(1, work->scores + j + LANES, row);
  }
}

/* The largest score of each row. */
static Floats find_tops(const PackedHead *head, const Workspace *work) {
  const int64_t last = head->padded - STEP;
  const __mmask16 first_there = lanes(head->count - last), second_there = lanes(head->count - last - LANES);
  Floats tops[TILE_ROWS];
  for (int r = 0; r < TILE_ROWS; r++) {
    float *scores = work->scores + r * head->padded;
    Floats first = _mm512_mask_mov_ps(all(-INFINITY), first_there, _mm512_load_ps(scores + last));
    Floats second = _mm512_mask_mov_ps(all(-INFINITY), second_there, _mm512_load_ps(scores + last + LANES));
    _mm512_store_ps(scores + last, first);
    _mm512_store_ps(scores + last + LANES, second);
    for (int64_t j = 0; j < last; j += STEP) {
      first = _mm512_max_ps(first, _mm512_load_ps(scores + j));
      second = _mm512_max_ps(second, _mm512_load_ps(scores + j + LANES));
    }
    tops[place[r]] = _mm512_max_ps(first, second);
  }
  return tops_of(tops);
}

/* 2 ** (score - top) of each key as bf16; returns their sums. */
static Floats share_out(const PackedHead *head, const Workspace *work, const float tops[]) {
  Floats sums[TILE_ROWS];
  for (int r = 0; r < TILE_ROWS; r++) {
    const float *scores = work->scores + r * head->padded;
    const Floats top = all(tops[r]);
    Floats sum = all(0);
    for (int64_t j = 0; j < head->padded; j += STEP) {
      const Floats first = power_of_2(_mm512_sub_ps(_mm512_load_ps(scores + j), top));
      const Floats second = power_of_2(_mm512_sub_ps(_mm512_load_ps(scores + j + LANES), top));
      sum = _mm512_add_ps(sum, _mm512_add_ps(first, second));
      _mm512_store_si512(work->shares + r * head->padded / 2 + j / 2, to_bf16(first, second));
    }
    sums[place[r]] = sum;
  }
  return sums_of(sums);
}

/* 32 channels of the values' sums, from channel `c`. */
static void add_values(const PackedHead *head, const Workspace *work, int c, int size, float *out) {
  TILE_ZERO(0);
  TILE_ZERO(1);
  for (int64_t i = 0; i < head->padded / 2; i += LANES) {
    TILE_LOAD(4, work->shares + i, head->padded * 2);
    TILE_LOAD(6, head->values + i * size + c, size * 4);
    TILE_ADD_BF16(0, 4, 6);
    TILE_LOAD(7, head->values + i * size + c + LANES, size * 4);
    TILE_ADD_BF16(1, 4, 7);
  }
  TILE_STORE(0, out + c, size * 4);
  TILE_STORE(1, out + c + LANES, size * 4);
}

void attend_by_tiles(const PackedHead *head, const Workspace *work, const float *queries, int64_t stride, int64_t rows,
                     int size, float *out) {
  const Floats factor = all(1.44269504f / (size == 32 ? 5.65685425f : 8.0f)); /* log2(e) / sqrt(size) */
  uint32_t packed[TILE_ROWS * LARGEST_HEAD / 2] = {0};
  for (int64_t r = 0; r < rows; r++)
    for (int c = 0; c < size; c += STEP) {
      const Floats low = _mm512_loadu_ps(queries + r * stride + c);
      const Floats high = _mm512_loadu_ps(queries + r * stride + c + LANES);
      _mm512_storeu_si512(packed + r * size / 2 + c / 2,
                          to_bf16(_mm512_mul_ps(low, factor), _mm512_mul_ps(high, factor)));
    }
  score_keys(head, work, packed, size);
  float numbers[TILE_ROWS];
  _mm512_storeu_ps(numbers, find_tops(head, work));
  const Floats totals = share_out(head, work, numbers);
  _mm512_storeu_ps(numbers, _mm512_div_ps(all(1), totals));
  float sums[TILE_ROWS * LARGEST_HEAD];
  for (int c = 0; c < size; c += STEP) add_values(head, work, c, size, sums);
  for (int64_t r = 0; r < rows; r++)
    for (int c = 0; c < size; c += LANES)
      _mm512_storeu_ps(out + r * stride + c, _mm512_mul_ps(_mm512_loadu_ps(sums + r * size + c), all(numbers[r])));
}
