/* ProductGateQuantise: a product, its activation, alone or times the other half of the columns, and quantising. */
#include "operators.h"
#include "product.h"
#include "quantise.h"
#include "scratch.h"

OrtStatus *product_gate_quantise(void *instance, OrtKernelContext *context) {
  const Kernel *kernel = instance;
  const Gate gate = {(Activation)kernel->activation, kernel->gated != 0};
  Product p;
  Tensor rows;
  Kept kept;
  Rows out;
  TRY(read_product(kernel, context, &p, &rows));
  EXPECT(kernel, !gate.gated || p.columns % 2 == 0, "ProductGateQuantise: there must be as many gates as values");
  TRY(read_kept(kernel, context, 7, gate.gated ? p.columns / 2 : p.columns, &kept));
  TRY(create_rows(kernel, context, 0, &rows, &kept, &out));
  const int64_t step = least(rows_at_a_time(p.columns), p.row_count);
  p.result = scratch(SCRATCH_RESULTS, (size_t)(step * p.columns) * sizeof(float));
  EXPECT(kernel, p.result, "ProductGateQuantise: no memory for the results");
  for (int64_t left = p.row_count; left > 0; left -= step) {
    p.row_count = least(left, step);
    EXPECT(kernel, kernel->arithmetic->multiply(&p), "ProductGateQuantise: no memory for its rows");
    kernel->arithmetic->gate(&gate, &kept, p.result, p.row_count, out);
    out = after(out, &kept, p.row_count);
    p.rows += step * p.depth, p.terms += step * p.term_count;
  }
  return NULL;
}
