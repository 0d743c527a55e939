/* QuantisedProduct and ProductGeluQuantise: their inputs and outputs. */
#include "product.h"

#include "operators.h"
#include "quantise.h"
#include "scratch.h"

enum { BLOCK = 96, SCRATCH_BYTES = 1 << 19 };

OrtStatus *read_product(const Kernel *kernel, OrtKernelContext *context, Product *p, Tensor *rows) {
  Tensor terms, weights, correction, multiplier, term_weights, bias;
  TRY(read_input(kernel, context, 0, rows));
  TRY(read_input(kernel, context, 1, &terms));
  TRY(read_input(kernel, context, 2, &weights));
  TRY(read_input(kernel, context, 3, &correction));
  TRY(read_input(kernel, context, 4, &multiplier));
  TRY(read_input(kernel, context, 5, &term_weights));
  TRY(read_input(kernel, context, 6, &bias));
  const int64_t depth = rows->rank ? rows->dimensions[rows->rank - 1] : 0, columns = bias.count;
  EXPECT(kernel, depth >= 1 && depth <= WIDEST, "QuantisedProduct: a row must have 1 to 32768 values");
  const int64_t row_count = rows->count / depth;
  EXPECT(kernel, columns >= 1 && correction.count == columns && multiplier.count == columns,
         "QuantisedProduct: correction, multiplier and bias must have a value for each column");
  EXPECT(kernel, weights.count == parts(columns, LANES) * parts(depth, GROUP) * LANES * GROUP,
         "QuantisedProduct: the weights do not fit the rows and the bias");
  const int64_t term_count = 1 + term_weights.count / columns;
  EXPECT(kernel, term_count > MIDDLE && term_weights.count % columns == 0 && terms.count % term_count == 0 &&
                     terms.count / term_count == row_count,
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
  EXPECT(kernel, kernel->arithmetic->multiply(&p), "QuantisedProduct: no memory for its rows");
  return NULL;
}

int64_t rows_at_a_time(int64_t columns) {
  const int64_t fitting = SCRATCH_BYTES / ((int64_t)sizeof(float) * columns);
  return fitting < BLOCK ? BLOCK : fitting / BLOCK * BLOCK;
}

OrtStatus *product_gelu_quantise(void *instance, OrtKernelContext *context) {
  const Kernel *kernel = instance;
  Product p;
  Tensor rows;
  Kept kept;
  Rows out;
  TRY(read_product(kernel, context, &p, &rows));
  TRY(read_kept(kernel, context, 7, p.columns, &kept));
  TRY(create_rows(kernel, context, 0, &rows, &kept, &out));
  const int64_t step = least(rows_at_a_time(p.columns), p.row_count);
  p.result = scratch(SCRATCH_RESULTS, (size_t)(step * p.columns) * sizeof(float));
  EXPECT(kernel, p.result, "ProductGeluQuantise: no memory for the results");
  for (int64_t left = p.row_count; left > 0; left -= step) {
    p.row_count = least(left, step);
    EXPECT(kernel, kernel->arithmetic->multiply(&p), "ProductGeluQuantise: no memory for its rows");
    kernel->arithmetic->activate(&kept, p.result, p.row_count, out);
    out = after(out, &kept, p.row_count);
    p.rows += step * p.depth, p.terms += step * p.term_count;
  }
  return NULL;
}
