/* AttentionQuantise: softmax(q k^T / sqrt(d)) v of every head as uint8, for the product that follows.
 *
 * Products are of bf16 and summed in float. One head of one text is packed at a time, 8 rows of queries go through it
 * together, and their scores stay in a cache: they are never written out for a whole text. */
#include <stdlib.h>

#include "attention_rows.h"
#include "operators.h"
#include "quantise.h"
#include "tiles.h"

typedef void (*Attend)(const PackedHead *, const Workspace *, const float *queries, int64_t stride, float *out);

#define ATTEND(size, rows)                                                                                     \
  static void attend_##size##_##rows(const PackedHead *head, const Workspace *work, const float *queries,      \
                                     int64_t stride, float *out) {                                             \
    attend(head, work, queries, stride, out, size, rows);                                                      \
  }
#define ATTEND_EACH(size)                                                                                      \
  ATTEND(size, 1) ATTEND(size, 2) ATTEND(size, 3) ATTEND(size, 4)                                              \
  ATTEND(size, 5) ATTEND(size, 6) ATTEND(size, 7) ATTEND(size, 8)                                              \
  static const Attend attend_##size[] = {attend_##size##_1, attend_##size##_2, attend_##size##_3,              \
                                         attend_##size##_4, attend_##size##_5, attend_##size##_6,              \
                                         attend_##size##_7, attend_##size##_8};
ATTEND_EACH(32)
ATTEND_EACH(64)

/* The scratch memory of one call, in one allocation. */
typedef struct {
  PackedHead head;
  Workspace work;
} Scratch;

static void *allocate(Scratch *scratch, int64_t count, int size) {
  const size_t padded = ((size_t)count + 31) / 32 * 32; /* a multiple of 32 keeps all four parts aligned to 64 bytes */
  const size_t keys = padded * (size_t)size / 2, values = keys, scores = MOST_ROWS * padded, shares = scores / 2;
  uint32_t *memory = aligned_alloc(64, (keys + values + scores + shares) * sizeof *memory);
  if (!memory) return NULL;
  *scratch = (Scratch){
      .head = {.keys = memory, .values = memory + keys, .count = count, .padded = (int64_t)padded},
      .work = {.scores = (float *)(memory + keys + values), .shares = memory + keys + values + scores},
  };
  return memory;
}

typedef struct {
  Tensor q, k, v;
  int64_t texts, heads, width;
  int size;
  Quantiser to;
  Copies copies;
  uint8_t *out;
  int tiles;
} Attention;

/* Quantise rows of one head, and the copies of its channels. */
static void write_rows(const Attention *call, int64_t head, const float *rows, int64_t count, uint8_t *out) {
  const int64_t size = call->size, first = head * size, stride = call->width + call->copies.count;
  for (int64_t r = 0; r < count; r++)
    for (int64_t c = 0; c < size; c += LANES)
      store_uint8(out + r * stride + first + c, to_uint8(_mm512_loadu_ps(rows + r * size + c), &call->to), LANES);
  for (int64_t i = 0; i < call->copies.count; i++) {
    const int64_t channel = call->copies.channels[i] - first;
    if (channel < 0 || channel >= size) continue;
    for (int64_t r = 0; r < count; r++)
      out[r * stride + call->width + i] = copy_to_uint8(rows[r * size + channel], call->copies.offsets[i], &call->to);
  }
}

static void attend_head(const Attention *call, const Scratch *scratch, int64_t text, int64_t head) {
  const int64_t width = call->width, rows = call->q.dimensions[1], keys = scratch->head.count;
  const int64_t from = text * keys * width + head * call->size;
  const float *queries = (const float *)call->q.data + text * rows * width + head * call->size;
  uint8_t *out = call->out + text * rows * (width + call->copies.count);
  const Attend *attend_rows = call->size == 32 ? attend_32 : attend_64;
  const int64_t step = call->tiles ? TILE_ROWS : ROWS;
  pack_keys(&scratch->head, (const float *)call->k.data + from, width, call->size);
  pack_values(&scratch->head, (const float *)call->v.data + from, width, call->size);
  for (int64_t i = 0; i < rows; i += step) {
    const int64_t count = rows - i < step ? rows - i : step;
    float sums[MOST_ROWS * LARGEST_HEAD];
    if (call->tiles)
      attend_by_tiles(&scratch->head, &scratch->work, queries + i * width, width, count, call->size, sums);
    else
      attend_rows[count - 1](&scratch->head, &scratch->work, queries + i * width, width, sums);
    write_rows(call, head, sums, count, out + i * (width + call->copies.count));
  }
}

static OrtStatus *read_inputs(const Kernel *kernel, OrtKernelContext *context, Attention *call) {
  TRY(read_input(kernel, context, 0, &call->q));
  TRY(read_input(kernel, context, 1, &call->k));
  TRY(read_input(kernel, context, 2, &call->v));
  const Tensor *q = &call->q, *k = &call->k;
  EXPECT(kernel, q->rank == 3 && k->rank == 3 && same_shape(k, &call->v) && q->dimensions[0] == k->dimensions[0] &&
                     q->dimensions[2] == k->dimensions[2],
         "AttentionQuantise: queries must be (n, lq, heads * d), keys and values (n, l, heads * d)");
  call->texts = k->dimensions[0], call->heads = kernel->heads, call->width = k->dimensions[2];
  EXPECT(kernel, call->width == 32 * kernel->heads || call->width == 64 * kernel->heads,
         "AttentionQuantise: a head must have 32 or 64 channels");
  EXPECT(kernel, k->dimensions[1] >= 1, "AttentionQuantise: there must be one key or more");
  call->size = (int)(call->width / kernel->heads);
  TRY(read_quantiser(kernel, context, 3, &call->to));
  return read_copies(kernel, context, 5, call->width, &call->copies);
}

OrtStatus *attention_quantise(void *instance, OrtKernelContext *context) {
  const Kernel *kernel = instance;
  Attention attention;
  TRY(read_inputs(kernel, context, &attention));
  void *out;
  TRY(create_output(kernel, context, 0, &attention.q, attention.copies.count, &out));
  attention.out = out;
  Scratch scratch;
  void *memory = allocate(&scratch, attention.k.dimensions[1], attention.size);
  if (!memory) return ort_status(kernel->ort, ORT_FAIL, "AttentionQuantise: no memory for the packed keys and values");
  attention.tiles = kernel->tiles;
  if (attention.tiles) shape_tiles();
  for (int64_t text = 0; text < attention.texts; text++)
    for (int64_t head = 0; head < attention.heads; head++) attend_head(&attention, &scratch, text, head);
  if (attention.tiles) release_tiles();
  free(memory);
  return NULL;
}
