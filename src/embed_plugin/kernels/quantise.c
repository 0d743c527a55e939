/* QuantiseRows, and what the operators that quantise share. */
#include "quantise.h"

#include "operators.h"
#include "pieces.h"

enum { QUANTISING = 16 }; /* about so many multiplications of a product take as long as quantising one value */

OrtStatus *read_kept(const Kernel *kernel, OrtKernelContext *context, size_t index, int64_t width, Kept *kept) {
  Tensor channels;
  TRY(read_input(kernel, context, index, &channels));
  EXPECT(kernel, width >= 1 && width <= WIDEST, "embed_plugin: a row must have 1 to 32768 values");
  kept->channels = channels.data, kept->count = channels.count, kept->width = width;
  for (int64_t i = 0; i < width; i += LANES)
    kept->quantised[i / LANES] = width - i < LANES ? (uint16_t)((1u << (width - i)) - 1) : 0xffff;
  for (int64_t i = 0; i < kept->count; i++) {
    const int64_t channel = kept->channels[i];
    EXPECT(kernel, channel >= 0 && channel < width, "embed_plugin: a kept channel is outside of its row");
    kept->quantised[channel / LANES] &= (uint16_t)~(1u << channel % LANES);
  }
  return NULL;
}

OrtStatus *read_seen(const Kernel *kernel, OrtKernelContext *context, size_t index, const Tensor *k, const int64_t **seen) {
  Tensor counts;
  TRY(read_optional(kernel, context, index, &counts));
  *seen = counts.data;
  if (is_left_out(&counts)) return NULL;
  EXPECT(kernel, counts.rank == 1 && counts.count == k->dimensions[0], "embed_plugin: seen must have a number for each text");
  for (int64_t i = 0; i < counts.count; i++)
    EXPECT(kernel, (*seen)[i] >= 1 && (*seen)[i] <= k->dimensions[1],
           "embed_plugin: a text must see 1 key or more, and no more than it has");
  return NULL;
}

OrtStatus *create_rows(const Kernel *kernel, OrtKernelContext *context, size_t index, const Tensor *like,
                       const Kept *kept, Rows *rows) {
  const int64_t width = like->dimensions[like->rank - 1];
  void *bytes, *terms;
  TRY(create_output(kernel, context, index, like, kept->width - width, &bytes));
  TRY(create_output(kernel, context, index + 1, like, term_count(kept) - width, &terms));
  *rows = (Rows){bytes, terms};
  return NULL;
}

typedef struct {
  const Kernel *kernel;
  const Kept *kept;
  const float *x;
  Rows out;
} Quantised;

static int quantise_some(const void *of, int64_t first, int64_t end) {
  const Quantised *call = of;
  const Rows out = after(call->out, call->kept, first);
  call->kernel->arithmetic->quantise(call->kept, call->x + first * call->kept->width, end - first, out);
  return 1;
}

OrtStatus *quantise_floats(const Kernel *kernel, OrtKernelContext *context, const Kept *kept, const float *x,
                           int64_t count, Rows out) {
  const Quantised call = {kernel, kept, x, out};
  return do_pieces(kernel, context, quantise_some, &call, count, QUANTISING * kept->width, "");
}

OrtStatus *quantise_rows(void *instance, OrtKernelContext *context) {
  const Kernel *kernel = instance;
  Tensor x;
  Kept kept;
  Rows rows;
  TRY(read_input(kernel, context, 0, &x));
  EXPECT(kernel, x.rank >= 1, "QuantiseRows: a row must have values");
  TRY(read_kept(kernel, context, 1, x.dimensions[x.rank - 1], &kept));
  TRY(create_rows(kernel, context, 0, &x, &kept, &rows));
  return quantise_floats(kernel, context, &kept, x.data, x.count / kept.width, rows);
}
