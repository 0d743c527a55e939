/* AddNormQuantise: y = LayerNorm(a + b), and y as uint8 for the product that follows. */
#include "operators.h"
#include "quantise.h"

OrtStatus *add_norm_quantise(void *instance, OrtKernelContext *context) {
  const Kernel *kernel = instance;
  Tensor a, b, gamma, beta;
  TRY(read_input(kernel, context, 0, &a));
  TRY(read_input(kernel, context, 1, &b));
  TRY(read_input(kernel, context, 2, &gamma));
  TRY(read_input(kernel, context, 3, &beta));
  EXPECT(kernel, a.rank >= 1 && same_shape(&a, &b), "AddNormQuantise: both summands must be of one shape, (..., h)");
  const int64_t width = a.dimensions[a.rank - 1];
  EXPECT(kernel, gamma.count == width && beta.count == width, "AddNormQuantise: gamma and beta must be (h,)");
  Kept kept;
  Rows rows;
  void *y;
  TRY(read_kept(kernel, context, 4, width, &kept));
  TRY(create_output(kernel, context, 0, &a, 0, &y));
  TRY(create_rows(kernel, context, 1, &a, &kept, &rows));
  const AddNorm call = {.a = a.data,
                        .b = b.data,
                        .gamma = gamma.data,
                        .beta = beta.data,
                        .y = y,
                        .count = a.count / width,
                        .epsilon = kernel->epsilon};
  kernel->arithmetic->add_norm(&call, &kept, rows);
  return NULL;
}
