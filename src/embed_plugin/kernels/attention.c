/* AttentionQuantise: softmax(q k^T / sqrt(d)) v of every head as uint8, for the product that follows. */
#include "operators.h"
#include "quantise.h"

OrtStatus *attention_quantise(void *instance, OrtKernelContext *context) {
  const Kernel *kernel = instance;
  Tensor q, k, v;
  TRY(read_input(kernel, context, 0, &q));
  TRY(read_input(kernel, context, 1, &k));
  TRY(read_input(kernel, context, 2, &v));
  EXPECT(kernel, q.rank == 3 && k.rank == 3 && same_shape(&k, &v) && q.dimensions[0] == k.dimensions[0] &&
                     q.dimensions[2] == k.dimensions[2],
         "AttentionQuantise: queries must be (n, lq, heads * d), keys and values (n, l, heads * d)");
  const int64_t width = k.dimensions[2], size = width / kernel->heads;
  EXPECT(kernel, size >= LANES && size <= LARGEST_HEAD && size % LANES == 0 && size * kernel->heads == width,
         "AttentionQuantise: a head must have 16 to 256 channels, a multiple of 16");
  EXPECT(kernel, k.dimensions[1] >= 1 && k.dimensions[1] <= MOST_KEYS, "AttentionQuantise: there must be 1 to 131072 keys");
  Kept kept;
  Rows rows;
  TRY(read_kept(kernel, context, 3, width, &kept));
  TRY(create_rows(kernel, context, 0, &q, &kept, &rows));
  if (q.count == 0) return NULL; /* the number of rows may be any where there are no texts */
  const Attention call = {.q = q.data,
                          .k = k.data,
                          .v = v.data,
                          .texts = k.dimensions[0],
                          .rows = q.dimensions[1],
                          .keys = k.dimensions[1],
                          .heads = kernel->heads,
                          .size = size};
  EXPECT(kernel, kernel->arithmetic->attend(&call, &kept, rows), "AttentionQuantise: no memory for a text's numbers");
  return NULL;
}
