/* AddNormQuantise: y = LayerNorm(a + b), and y as uint8 for the product that follows. NormRows: y = LayerNorm(a).
 * AddThenNormQuantise: a + b, and its norm as uint8. All of them are RMSNorm where their attribute `rms` says so. */
#include "operators.h"
#include "pieces.h"
#include "quantise.h"
#include "scratch.h"

enum { NORMING = 32 }; /* about so many multiplications of a product take as long as adding, norming and quantising one value */

typedef struct {
  const Kernel *kernel;
  Norm norm;
  const Kept *kept;
  Rows rows;
} Normed;

static int norm_some(const void *of, int64_t first, int64_t end) {
  const Normed *call = of;
  const int64_t from = first * call->norm.width;
  Norm some = call->norm;
  some.a += from, some.b += from, some.y += from, some.count = end - first;
  call->kernel->arithmetic->norm_and_quantise(&some, call->kept, after(call->rows, call->kept, first));
  return 1;
}

/* Read gamma and beta, inputs `index` and the one behind it, and create y, output 0. A norm without a bias has an empty
 * beta. */
static OrtStatus *read_norm(const Kernel *kernel, OrtKernelContext *context, size_t index, const Tensor *a, Norm *norm) {
  Tensor gamma, beta;
  void *y;
  TRY(read_input(kernel, context, index, &gamma));
  TRY(read_input(kernel, context, index + 1, &beta));
  EXPECT(kernel, a->rank >= 1 && a->dimensions[a->rank - 1] >= 1, "embed_plugin: a row that is normed must have values");
  const int64_t width = a->dimensions[a->rank - 1];
  EXPECT(kernel, gamma.count == width && (beta.count == width || beta.count == 0),
         "embed_plugin: gamma and beta must be (h,), and beta may be empty");
  TRY(create_output(kernel, context, 0, a, 0, &y));
  *norm = (Norm){.a = a->data,
                 .gamma = gamma.data,
                 .beta = beta.count ? beta.data : NULL,
                 .y = y,
                 .count = a->count / width,
                 .width = width,
                 .rms = kernel->rms,
                 .epsilon = kernel->epsilon};
  return NULL;
}

OrtStatus *norm_rows(void *instance, OrtKernelContext *context) {
  const Kernel *kernel = instance;
  Tensor a;
  Norm norm;
  TRY(read_input(kernel, context, 0, &a));
  TRY(read_norm(kernel, context, 1, &a, &norm));
  kernel->arithmetic->norm(&norm);
  return NULL;
}

OrtStatus *add_then_norm_quantise(void *instance, OrtKernelContext *context) {
  const Kernel *kernel = instance;
  Tensor a, b;
  Norm norm;
  Kept kept;
  Rows rows;
  TRY(read_input(kernel, context, 0, &a));
  TRY(read_input(kernel, context, 1, &b));
  EXPECT(kernel, a.rank >= 1 && same_shape(&a, &b), "AddThenNormQuantise: both summands must be of one shape, (..., h)");
  TRY(read_norm(kernel, context, 2, &a, &norm));
  TRY(read_kept(kernel, context, 4, norm.width, &kept));
  TRY(create_rows(kernel, context, 1, &a, &kept, &rows));
  norm.b = b.data;
  norm.normed = scratch(SCRATCH_RESULTS, (size_t)norm.width * sizeof *norm.normed);
  EXPECT(kernel, norm.normed, "AddThenNormQuantise: no memory for a row");
  kernel->arithmetic->norm_and_quantise(&norm, &kept, rows);
  return NULL;
}

OrtStatus *add_norm_quantise(void *instance, OrtKernelContext *context) {
  const Kernel *kernel = instance;
  Tensor a, b;
  Norm norm;
  Kept kept;
  Rows rows;
  TRY(read_input(kernel, context, 0, &a));
  TRY(read_input(kernel, context, 1, &b));
  EXPECT(kernel, a.rank >= 1 && same_shape(&a, &b), "AddNormQuantise: both summands must be of one shape, (..., h)");
  TRY(read_norm(kernel, context, 2, &a, &norm));
  TRY(read_kept(kernel, context, 4, norm.width, &kept));
  TRY(create_rows(kernel, context, 1, &a, &kept, &rows));
  norm.b = b.data;
  const Normed call = {kernel, norm, &kept, rows};
  return do_pieces(kernel, context, norm_some, &call, norm.count, NORMING * norm.width, "");
}
