/* The steps that turn sums of products into results.
 *
 * What comes before this says how many panels of 16 columns are summed at a time, MOST_PANELS, so that all sums are
 * registers, and how: sum_block(p, row, column, sums, rows, panels). */
#pragma once

#include "sums.h"

/* The results of `rows` rows by 16 columns, the first at `row` and `column`, of which `left` are there. A result is rounded
 * in the same steps, in the same order, whatever rows are beside it. */
INLINE void store_results(const Product *p, const Ints sums[], int64_t row, int64_t column, int64_t left, const int rows) {
  const int64_t count = p->term_count;
  const float *terms = p->terms + row * count, *weights = p->term_weights + column;
  const Ints correction = load_first_ints(p->correction + column, left);
  const Floats multiplier = load_first(p->multiplier + column, left), bias = load_first(p->bias + column, left);
  Floats y[MOST_ROWS];
  UNROLL
  for (int r = 0; r < rows; r++) y[r] = bias;
  for (int64_t i = MIDDLE; i < count; i++, weights += p->stride) {
    const Floats weight = load_first(weights, left);
    UNROLL
    for (int r = 0; r < rows; r++) y[r] = multiply_add(all(terms[r * count + i]), weight, y[r]);
  }
  UNROLL
  for (int r = 0; r < rows; r++) {
    const Floats exact = multiply(to_floats(add_ints(sums[r], correction)), multiplier);
    y[r] = multiply_add(exact, all(terms[r * count + SCALE]), y[r]);
    store_first(p->result + (row + r) * p->stride + column, y[r], left);
  }
}

/* The numbers of rows and panels are constants where this is inlined. `left` is the number of columns in each panel, a
 * constant where the panels are whole. */
INLINE void multiply_block(const Product *p, int64_t row, int64_t column, int64_t left, const int rows, const int panels) {
  Sums sums;
  sum_block(p, row, column, sums, rows, panels);
  UNROLL
  for (int j = 0; j < panels; j++) store_results(p, sums[j], row, column + j * LANES, left, rows);
}

typedef void MultiplyBlock(const Product *, int64_t row, int64_t column);

#define BLOCK(rows, panels)                                                            \
  static void block_##rows##_##panels(const Product *p, int64_t row, int64_t column) { \
    multiply_block(p, row, column, LANES, rows, panels);                               \
  }
#define LAST(rows)                                                                 \
  static void block_##rows##_last(const Product *p, int64_t row, int64_t column) { \
    multiply_block(p, row, column, p->columns - column, rows, 1);                  \
  }
#define EACH(of, ...) of(1, ##__VA_ARGS__) of(2, ##__VA_ARGS__) of(3, ##__VA_ARGS__) \
                      of(4, ##__VA_ARGS__) of(5, ##__VA_ARGS__) of(6, ##__VA_ARGS__)
#define NAMES(p) {block_1_##p, block_2_##p, block_3_##p, block_4_##p, block_5_##p, block_6_##p}

EACH(LAST) EACH(BLOCK, 1)
#if MOST_PANELS == 1
static MultiplyBlock *const whole[][MOST_ROWS] = {NAMES(1)};
#else
EACH(BLOCK, 2) EACH(BLOCK, 3) EACH(BLOCK, 4)
static MultiplyBlock *const whole[][MOST_ROWS] = {NAMES(1), NAMES(2), NAMES(3), NAMES(4)};
#endif
static MultiplyBlock *const last[MOST_ROWS] = NAMES(last);

static void multiply_panels(const Product *p, int64_t column, MultiplyBlock *const of_rows[]) {
  for (int64_t row = 0; row < p->row_count; row += MOST_ROWS)
    of_rows[least(p->row_count - row, MOST_ROWS) - 1](p, row, column);
}

/* Panel by panel, so that those of one block stay in the first cache while all rows pass. */
static int multiply_all(const Product *p) {
  const int64_t end = p->columns / LANES * LANES;
  for (int64_t column = 0; column < end; column += MOST_PANELS * LANES)
    multiply_panels(p, column, whole[least((end - column) / LANES, MOST_PANELS) - 1]);
  if (end < p->columns) multiply_panels(p, end, last);
  return 1;
}
