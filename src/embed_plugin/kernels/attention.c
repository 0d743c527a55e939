/* AttentionQuantise: softmax(q k^T / sqrt(d)) v of every head as uint8, for the product that follows. */
#include "operators.h"
#include "pieces.h"
#include "quantise.h"
#include "scratch.h"

enum { ATTENDING = 8 }; /* about so many multiplications of a product take as long as one of a query with a key */
#define NO_MEMORY "AttentionQuantise: no memory for a text's numbers"

typedef struct {
  const Kernel *kernel;
  Attention one;
  float *rows;
} Heads;

static int attend_some(const void *of, int64_t first, int64_t end) {
  const Heads *call = of;
  const Attention some = attention_of(&call->one, 0, first, end - first);
  return call->kernel->arithmetic->attend_heads(&some, call->rows + first * some.size);
}

/* Text by text, as the arithmetic's own `attend`, the heads of each beside each other. */
static OrtStatus *attend_by_heads(const Kernel *kernel, OrtKernelContext *context, const Attention *call, const Kept *kept,
                                  Rows out) {
  float *rows = scratch(SCRATCH_RESULTS, (size_t)(call->rows * call->width) * sizeof *rows);
  EXPECT(kernel, rows, NO_MEMORY);
  const int64_t work = ATTENDING * call->rows * call->keys * call->size;
  for (int64_t text = 0; text < call->texts; text++) {
    const Heads heads = {kernel, attention_of(call, text, 0, call->heads), rows};
    TRY(do_pieces(kernel, context, attend_some, &heads, call->heads, work, NO_MEMORY));
    TRY(quantise_floats(kernel, context, kept, rows, call->rows, after(out, kept, text * call->rows)));
  }
  return NULL;
}

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
  const int64_t *seen;
  TRY(read_seen(kernel, context, 4, &k, &seen));
  TRY(read_kept(kernel, context, 3, width, &kept));
  TRY(create_rows(kernel, context, 0, &q, &kept, &rows));
  if (q.count == 0) return NULL; /* the number of rows may be any where there are no texts */
  const Attention call = {.q = q.data,
                          .k = k.data,
                          .v = v.data,
                          .seen = seen,
                          .texts = k.dimensions[0],
                          .rows = q.dimensions[1],
                          .keys = k.dimensions[1],
                          .heads = kernel->heads,
                          .size = size,
                          .width = width};
  if (kernel->threads > 1) return attend_by_heads(kernel, context, &call, &kept, rows);
  EXPECT(kernel, kernel->arithmetic->attend(&call, &kept, rows), NO_MEMORY);
  return NULL;
}
