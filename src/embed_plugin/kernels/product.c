/* QuantisedProduct and ProductGeluQuantise: their inputs and outputs. */
#include "gelu.h"
#include "operators.h"
#include "product.h"
#include "scratch.h"

enum { BLOCK = 96, SCRATCH_BYTES = 1 << 19 };

static void multiply(const Kernel *kernel, const Product *p) {
  if (p->row_count && kernel->tiles && multiply_by_tiles(p)) return;
  multiply_by_vnni(p);
}

/* Inputs 0 to 6: rows, terms, weights, correction, multiplier, term_weights, bias. */
static OrtStatus *read_product(const Kernel *kernel, OrtKernelContext *context, Product *p, Tensor *rows) {
  Tensor terms, weights, correction, multiplier, term_weights, bias;
  TRY(read_input(kernel, context, 0, rows));
  TRY(read_input(kernel, context, 1, &terms));
  TRY(read_input(kernel, context, 2, &weights));
  TRY(read_input(kernel, context, 3, &correction));
  TRY(read_input(kernel, context, 4, &multiplier));
  TRY(read_input(kernel, context, 5, &term_weights));
  TRY(read_input(kernel, context, 6, &bias));
  EXPECT(kernel, rows->rank >= 1 && rows->dimensions[rows->rank - 1] >= 1, "QuantisedProduct: a row must have values");
  const int64_t depth = rows->dimensions[rows->rank - 1], columns = bias.count, row_count = rows->count / depth;
  EXPECT(kernel, columns >= 1 && correction.count == columns && multiplier.count == columns,
         "QuantisedProduct: correction, multiplier and bias must have a value for each column");
  EXPECT(kernel, weights.count == parts(columns, LANES) * parts(depth, GROUP) * LANES * GROUP,
         "QuantisedProduct: the weights do not fit the rows and the bias");
  const int64_t term_count = 1 + term_weights.count / columns;
  EXPECT(kernel, term_count > MIDDLE && term_weights.count % columns == 0 && terms.count == row_count * term_count,
         "QuantisedProduct: each row must have a scale and a term for each row of term_weights");
  *p = (Product){
      .rows = rows->data,
      .terms = terms.data,
      .weights = weights.data,
      .correction = correction.data,
      .multiplier = multiplier.data,
      .term_weights = term_weights.data,
      .bias = bias.data,
      .row_count = row_count,
      .depth = depth,
      .columns = columns,
      .term_count = term_count,
  };
  return NULL;
}

OrtStatus *quantised_product(void *instance, OrtKernelContext *context) {
  const Kernel *kernel = instance;
  Product p;
  Tensor rows;
  void *result;
  TRY(read_product(kernel, context, &p, &rows));
  TRY(create_output(kernel, context, 0, &rows, p.columns - p.depth, &result));
  p.result = result;
  multiply(kernel, &p);
  return NULL;
}

/* Replace a row by its GELU, and quantise it. */
static void activate_row(const Kept *kept, float *x, uint8_t *row, float *terms) {
  Range range = {all(0), all(0)};
  int64_t i = 0;
  for (; i + LANES <= kept->width; i += LANES) {
    const Floats y = gelu(_mm512_loadu_ps(x + i));
    _mm512_storeu_ps(x + i, y);
    widen(&range, y, kept->quantised[i / LANES]);
  }
  if (i < kept->width) {
    const Floats y = gelu(load(x + i, kept->width - i));
    store(x + i, y, kept->width - i);
    widen(&range, y, kept->quantised[i / LANES]);
  }
  quantise_within(kept, &range, x, row, terms);
}

/* Rows whose results, as floats, stay in the second cache until they are quantised: whole blocks of either product. */
static int64_t rows_at_a_time(int64_t columns) {
  const int64_t fitting = SCRATCH_BYTES / ((int64_t)sizeof(float) * columns);
  return fitting < BLOCK ? BLOCK : fitting / BLOCK * BLOCK;
}

OrtStatus *product_gelu_quantise(void *instance, OrtKernelContext *context) {
  const Kernel *kernel = instance;
  Product p;
  Tensor rows;
  Kept kept;
  uint8_t *row;
  float *terms;
  TRY(read_product(kernel, context, &p, &rows));
  TRY(read_kept(kernel, context, 7, p.columns, &kept));
  TRY(create_rows(kernel, context, 0, &rows, &kept, &row, &terms));
  const int64_t step = least(rows_at_a_time(p.columns), p.row_count);
  p.result = scratch(SCRATCH_RESULTS, (size_t)(step * p.columns) * sizeof(float));
  if (!p.result) return ort_status(kernel->ort, ORT_FAIL, "ProductGeluQuantise: no memory for the results");
  for (int64_t left = p.row_count; left > 0; left -= step) {
    p.row_count = least(left, step);
    multiply(kernel, &p);
    for (int64_t r = 0; r < p.row_count; r++, row += p.columns, terms += term_count(&kept))
      activate_row(&kept, p.result + r * p.columns, row, terms);
    p.rows += step * p.depth, p.terms += step * p.term_count;
  }
  return NULL;
}
