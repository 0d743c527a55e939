/* QuantisedProduct and ProductGeluQuantise: uint8 rows times int8 weights, exactly, with VNNI.
 *
 * The weights lie in the file as they are read: panels of 16 columns, in each the rows in fours, for one instruction adds
 * up four products for each of 16 columns. Six rows by four panels are computed at a time: 24 sums, which with four
 * vectors of weights and one of a row's bytes fill the registers. */
#include <string.h>

#include "gelu.h"
#include "operators.h"
#include "quantise.h"

enum { MOST_ROWS = 6, MOST_PANELS = 4, BYTES = 4 };

typedef struct {
  const uint8_t *rows;
  const int8_t *weights;
  const int32_t *correction;
  const float *multiplier, *bias;
  int64_t row_count, depth, columns;
  const Quantiser *to; /* null: the result is float */
  void *result;
} Product;

/* Written out, for gcc 12 keeps sums in memory when it is asked by _mm512_dpbusd_epi32: half the speed. */
static inline __m512i add_products(__m512i sum, __m512i bytes, __m512i weights) {
  __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(bytes), "v"(weights));
  return sum;
}

static inline __m512i four_bytes(const uint8_t *from) {
  int32_t bytes;
  memcpy(&bytes, from, BYTES);
  return _mm512_set1_epi32(bytes);
}

/* One to three bytes at the end of a row, and zeros. */
static inline __m512i last_bytes(const uint8_t *from, int64_t left) {
  return _mm512_broadcastd_epi32(_mm_maskz_loadu_epi8((__mmask16)((1u << left) - 1), from));
}

static inline void store_result(const Product *p, __m512i sum, int64_t row, int64_t column) {
  const int64_t left = p->columns - column;
  const Floats multiplier = load(p->multiplier + column, left), bias = load(p->bias + column, left);
  const Floats y = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), multiplier, bias);
  const int64_t at = row * p->columns + column;
  if (p->to)
    store_uint8((uint8_t *)p->result + at, to_uint8(gelu(y), p->to), left);
  else
    store((float *)p->result + at, y, left);
}

/* Four products of each row and column. */
#define ADD_GROUP(bytes_of_row)                                                    \
  do {                                                                             \
    _Pragma("GCC unroll 4") for (int j = 0; j < panels; j++)                       \
      w[j] = _mm512_loadu_si512(b + j * panel);                                    \
    _Pragma("GCC unroll 6") for (int r = 0; r < rows; r++) {                       \
      const __m512i bytes = bytes_of_row;                                          \
      _Pragma("GCC unroll 4") for (int j = 0; j < panels; j++)                     \
        sum[r][j] = add_products(sum[r][j], bytes, w[j]);                          \
    }                                                                              \
  } while (0)

/* The numbers of rows and panels are constants where this is inlined, and all sums are registers. */
static inline __attribute__((always_inline)) void block(const Product *p, int64_t row, int64_t column, const int rows,
                                                        const int panels) {
  const int64_t depth = p->depth, groups = (depth + BYTES - 1) / BYTES, panel = groups * LANES * BYTES;
  const uint8_t *a = p->rows + row * depth;
  const int8_t *b = p->weights + column / LANES * panel;
  __m512i sum[MOST_ROWS][MOST_PANELS], w[MOST_PANELS];
#pragma GCC unroll 6
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
    for (int j = 0; j < panels; j++)
      sum[r][j] = _mm512_maskz_loadu_epi32(lanes(p->columns - column - j * LANES), p->correction + column + j * LANES);
  int64_t at = 0;
  for (; at + BYTES <= depth; at += BYTES, b += LANES * BYTES) ADD_GROUP(four_bytes(a + r * depth + at));
  if (at < depth) ADD_GROUP(last_bytes(a + r * depth + at, depth - at));
#pragma GCC unroll 4
  for (int j = 0; j < panels; j++)
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++) store_result(p, sum[r][j], row + r, column + j * LANES);
}

#define BLOCK(rows, panels)                                                              \
  static void block_##rows##_##panels(const Product *p, int64_t row, int64_t column) {   \
    block(p, row, column, rows, panels);                                                 \
  }
#define BLOCKS(panels) \
  BLOCK(1, panels) BLOCK(2, panels) BLOCK(3, panels) BLOCK(4, panels) BLOCK(5, panels) BLOCK(6, panels)
BLOCKS(1) BLOCKS(2) BLOCKS(3) BLOCKS(4)

#define NAMES(p) {block_1_##p, block_2_##p, block_3_##p, block_4_##p, block_5_##p, block_6_##p}
typedef void Block(const Product *, int64_t row, int64_t column);
static Block *const blocks[MOST_PANELS][MOST_ROWS] = {NAMES(1), NAMES(2), NAMES(3), NAMES(4)};

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Panel by panel, so that four of them stay in the first cache while all rows pass. */
static void multiply(const Product *p) {
  for (int64_t column = 0; column < p->columns; column += MOST_PANELS * LANES) {
    const int64_t panels = (p->columns - column + LANES - 1) / LANES;
    for (int64_t row = 0; row < p->row_count; row += MOST_ROWS) {
      const int64_t rows = p->row_count - row;
      Block *const of_rows = blocks[least(panels, MOST_PANELS) - 1][least(rows, MOST_ROWS) - 1];
      of_rows(p, row, column);
    }
  }
}

/* Inputs 0 to 4: rows, weights, correction, multiplier, bias. */
static OrtStatus *read_product(const Kernel *kernel, OrtKernelContext *context, Product *p, Tensor *rows) {
  Tensor weights, correction, multiplier, bias;
  TRY(read_input(kernel, context, 0, rows));
  TRY(read_input(kernel, context, 1, &weights));
  TRY(read_input(kernel, context, 2, &correction));
  TRY(read_input(kernel, context, 3, &multiplier));
  TRY(read_input(kernel, context, 4, &bias));
  EXPECT(kernel, rows->rank >= 1 && rows->dimensions[rows->rank - 1] >= 1, "QuantisedProduct: a row must have values");
  const int64_t depth = rows->dimensions[rows->rank - 1], columns = bias.count;
  EXPECT(kernel, columns >= 1 && correction.count == columns && multiplier.count == columns,
         "QuantisedProduct: correction, multiplier and bias must have a value for each column");
  EXPECT(kernel, weights.count == (columns + LANES - 1) / LANES * ((depth + BYTES - 1) / BYTES) * LANES * BYTES,
         "QuantisedProduct: the weights do not fit the rows and the bias");
  *p = (Product){
      .rows = rows->data,
      .weights = weights.data,
      .correction = correction.data,
      .multiplier = multiplier.data,
      .bias = bias.data,
      .row_count = rows->count / depth,
      .depth = depth,
      .columns = columns,
  };
  return NULL;
}

OrtStatus *quantised_product(void *instance, OrtKernelContext *context) {
  const Kernel *kernel = instance;
  Product p;
  Tensor rows;
  TRY(read_product(kernel, context, &p, &rows));
  TRY(create_output(kernel, context, 0, &rows, p.columns - p.depth, &p.result));
  multiply(&p);
  return NULL;
}

OrtStatus *product_gelu_quantise(void *instance, OrtKernelContext *context) {
  const Kernel *kernel = instance;
  Product p;
  Tensor rows;
  Quantiser to;
  TRY(read_product(kernel, context, &p, &rows));
  TRY(read_quantiser(kernel, context, 5, &to));
  TRY(create_output(kernel, context, 0, &rows, p.columns - p.depth, &p.result));
  p.to = &to;
  multiply(&p);
  return NULL;
}
