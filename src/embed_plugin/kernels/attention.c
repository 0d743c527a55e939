/* AttentionQuantise: softmax(q k^T / sqrt(d)) v of every head as uint8, for the product that follows.
 *
 * Products are of bf16 and summed in float. One head of one text is packed at a time, 8 rows of queries go through it
 * together, and their scores stay in a cache: they are never written out for a whole text. A row is quantised when all its
 * heads are there. */

#include "attention_rows.h"
#include "operators.h"
#include "quantise.h"
#include "scratch.h"
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

/* The memory of one call, in one piece. */
typedef struct {
  PackedHead head;
  Workspace work;
  float *rows; /* one text's results */
} Memory;

/* Returns 0 if there is none. */
static int find_memory(Memory *parts, int64_t count, int size, int64_t results) {
  const size_t padded = ((size_t)count + 31) / 32 * 32; /* a multiple of 32 keeps all parts aligned to 64 bytes */
  const size_t keys = padded * (size_t)size / 2, values = keys, scores = MOST_ROWS * padded, shares = scores / 2;
  const size_t rows = ((size_t)results + LANES - 1) / LANES * LANES;
  uint32_t *memory = scratch(SCRATCH_RESULTS, (keys + values + scores + shares + rows) * sizeof *memory);
  if (!memory) return 0;
  *parts = (Memory){
      .head = {.keys = memory, .values = memory + keys, .count = count, .padded = (int64_t)padded},
      .work = {.scores = (float *)(memory + keys + values), .shares = memory + keys + values + scores},
      .rows = (float *)(memory + keys + values + scores + shares),
  };
  return 1;
}

typedef struct {
  Tensor q, k, v;
  int64_t texts, heads, width;
  int size;
  Kept kept;
  uint8_t *out;
  float *terms;
  int tiles;
} Attention;

static void attend_head(const Attention *call, const Memory *memory, int64_t text, int64_t head) {
  const int64_t width = call->width, rows = call->q.dimensions[1], keys = memory->head.count;
  const int64_t from = text * keys * width + head * call->size;
  const float *queries = (const float *)call->q.data + text * rows * width + head * call->size;
  float *out = memory->rows + head * call->size;
  const Attend *attend_rows = call->size == 32 ? attend_32 : attend_64;
  const int64_t step = call->tiles ? TILE_ROWS : ROWS;
  pack_keys(&memory->head, (const float *)call->k.data + from, width, call->size);
  pack_values(&memory->head, (const float *)call->v.data + from, width, call->size);
  for (int64_t i = 0; i < rows; i += step) {
    const int64_t count = rows - i < step ? rows - i : step;
    if (call->tiles)
      attend_by_tiles(&memory->head, &memory->work, queries + i * width, width, count, call->size, out + i * width);
    else
      attend_rows[count - 1](&memory->head, &memory->work, queries + i * width, width, out + i * width);
  }
}

static void attend_text(const Attention *call, const Memory *memory, int64_t text) {
  const int64_t rows = call->q.dimensions[1], width = call->width;
  for (int64_t head = 0; head < call->heads; head++) attend_head(call, memory, text, head);
  for (int64_t r = 0; r < rows; r++) {
    const int64_t row = text * rows + r;
    quantise_row(&call->kept, memory->rows + r * width, call->out + row * width, call->terms + row * term_count(&call->kept));
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
  return read_kept(kernel, context, 3, call->width, &call->kept);
}

OrtStatus *attention_quantise(void *instance, OrtKernelContext *context) {
  const Kernel *kernel = instance;
  Attention attention;
  TRY(read_inputs(kernel, context, &attention));
  TRY(create_rows(kernel, context, 0, &attention.q, &attention.kept, &attention.out, &attention.terms));
  Memory memory;
  const int64_t results = attention.q.dimensions[1] * attention.width;
  if (!find_memory(&memory, attention.k.dimensions[1], attention.size, results))
    return ort_status(kernel->ort, ORT_FAIL, "AttentionQuantise: no memory for the packed keys and values");
  attention.tiles = kernel->tiles;
  if (attention.tiles) shape_tiles();
  for (int64_t text = 0; text < attention.texts; text++) attend_text(&attention, &memory, text);
  if (attention.tiles) release_tiles();
  return NULL;
}
