/* RuleAttentionQuantise: attention whose mask is a rule of position, as uint8, for the product that follows. */
#include "operators.h"
#include "quantise.h"

/* Read input 3: empty, or (heads, 2 * positions - 1). */
static OrtStatus *read_bias(const Kernel *kernel, OrtKernelContext *context, RuleAttention *call) {
  Tensor bias;
  TRY(read_input(kernel, context, 3, &bias));
  if (bias.count == 0) return NULL;
  EXPECT(kernel, bias.rank == 2 && bias.dimensions[0] == call->heads && bias.dimensions[1] % 2 == 1,
         "RuleAttentionQuantise: the bias must be empty or (heads, 2 * positions - 1)");
  call->bias = bias.data, call->positions = bias.dimensions[1] / 2 + 1;
  EXPECT(kernel, call->keys <= call->positions, "RuleAttentionQuantise: a text has more tokens than the bias has positions");
  return NULL;
}

static OrtStatus *read_call(const Kernel *kernel, OrtKernelContext *context, Tensor *q, RuleAttention *call) {
  Tensor k, v;
  TRY(read_input(kernel, context, 0, q));
  TRY(read_input(kernel, context, 1, &k));
  TRY(read_input(kernel, context, 2, &v));
  EXPECT(kernel, q->rank == 3 && k.rank == 3 && same_shape(&k, &v) && q->dimensions[0] == k.dimensions[0],
         "RuleAttentionQuantise: queries must be (n, lq, heads * d), keys and values (n, l, kv_heads * d)");
  const int64_t size = k.dimensions[2] / kernel->kv_heads;
  EXPECT(kernel, size >= LANES && size <= LARGEST_HEAD && size % LANES == 0 && size * kernel->kv_heads == k.dimensions[2],
         "RuleAttentionQuantise: a head must have 16 to 256 channels, a multiple of 16");
  EXPECT(kernel, q->dimensions[2] == size * kernel->heads, "RuleAttentionQuantise: queries must be (n, lq, heads * d)");
  EXPECT(kernel, k.dimensions[1] >= 1 && k.dimensions[1] <= MOST_KEYS,
         "RuleAttentionQuantise: there must be 1 to 131072 keys");
  EXPECT(kernel, q->dimensions[1] <= k.dimensions[1], "RuleAttentionQuantise: there are more queries than keys");
  const int64_t *seen;
  TRY(read_seen(kernel, context, 5, &k, &seen));
  *call = (RuleAttention){.q = q->data,
                          .k = k.data,
                          .v = v.data,
                          .seen = seen,
                          .texts = k.dimensions[0],
                          .rows = q->dimensions[1],
                          .keys = k.dimensions[1],
                          .heads = kernel->heads,
                          .kv_heads = kernel->kv_heads,
                          .size = size,
                          .positions = 1,
                          .causal = kernel->causal,
                          .window = kernel->window,
                          .scale = kernel->scale};
  return NULL;
}

OrtStatus *rule_attention_quantise(void *instance, OrtKernelContext *context) {
  const Kernel *kernel = instance;
  Tensor q;
  RuleAttention call;
  Kept kept;
  Rows rows;
  TRY(read_call(kernel, context, &q, &call));
  TRY(read_bias(kernel, context, &call));
  TRY(read_kept(kernel, context, 4, call.heads * call.size, &kept));
  TRY(create_rows(kernel, context, 0, &q, &kept, &rows));
  if (q.count == 0) return NULL;
  EXPECT(kernel, kernel->arithmetic->attend_by_rule(&call, &kept, rows),
         "RuleAttentionQuantise: no memory for a text's numbers");
  return NULL;
}
