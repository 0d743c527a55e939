/* QuantisedProduct and ProductGeluQuantise: their inputs and outputs. */
#include "operators.h"
#include "product.h"

static void multiply(const Kernel *kernel, const Product *p) {
  if (p->row_count && kernel->tiles && multiply_by_tiles(p)) return;
  multiply_by_vnni(p);
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
  EXPECT(kernel, weights.count == parts(columns, LANES) * parts(depth, GROUP) * LANES * GROUP,
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
  multiply(kernel, &p);
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
  multiply(kernel, &p);
  return NULL;
}
