/* RotateHeads: the heads of queries or keys turn by position, each normed before where a model does so. */
#include "operators.h"
#include "tensor.h"

OrtStatus *rotate_heads(void *instance, OrtKernelContext *context) {
  const Kernel *kernel = instance;
  Tensor x, cosines, sines, gamma;
  void *y;
  TRY(read_input(kernel, context, 0, &x));
  TRY(read_input(kernel, context, 1, &cosines));
  TRY(read_input(kernel, context, 2, &sines));
  TRY(read_input(kernel, context, 3, &gamma));
  EXPECT(kernel, x.rank == 3, "RotateHeads: queries or keys must be (n, length, heads * d)");
  const int64_t width = x.dimensions[2], size = width / kernel->heads;
  EXPECT(kernel, size >= 2 && size % 2 == 0 && size * kernel->heads == width,
         "RotateHeads: a head must have an even number of channels");
  EXPECT(kernel, cosines.rank == 2 && same_shape(&cosines, &sines) && cosines.dimensions[1] == size / 2,
         "RotateHeads: cosines and sines must be (positions, d / 2)");
  EXPECT(kernel, gamma.count == 0 || gamma.count == size, "RotateHeads: gamma must be empty or (d,)");
  TRY(create_output(kernel, context, 0, &x, 0, &y));
  if (x.count == 0) return NULL; /* the number of tokens may be any where there are no texts */
  EXPECT(kernel, x.dimensions[1] <= cosines.dimensions[0], "RotateHeads: a text has more tokens than there are positions");
  const Rotation call = {.x = x.data,
                         .cosines = cosines.data,
                         .sines = sines.data,
                         .gamma = gamma.count ? gamma.data : NULL,
                         .y = y,
                         .texts = x.dimensions[0],
                         .tokens = x.dimensions[1],
                         .heads = kernel->heads,
                         .size = size,
                         .epsilon = kernel->epsilon};
  kernel->arithmetic->rotate(&call);
  return NULL;
}
