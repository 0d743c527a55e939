/* Print how many scores attention by rule computes for texts of 1,024 and 8,192 tokens: by every key, causal, in a window. */
#include <stdint.h>

static int64_t counted;
#define COUNT_SCORES(scores) counted += (scores)

#include <stdio.h>
#include <stdlib.h>

#include "isa/scalar.c"

static int64_t scores_of(int64_t tokens, int causal, int64_t window) {
  const int64_t size = LANES;
  float *x = calloc((size_t)(tokens * size), sizeof *x);
  const Kept kept = {.channels = NULL, .count = 0, .width = size, .quantised = {0xffff}};
  const Rows out = {calloc((size_t)(tokens * size), 1), calloc((size_t)(tokens * FIRST_KEPT), sizeof(float))};
  const RuleAttention call = {.q = x, .k = x, .v = x, .texts = 1, .rows = tokens, .keys = tokens, .heads = 1, .kv_heads = 1,
                              .size = size, .causal = causal, .window = window, .scale = 1};
  counted = 0;
  if (!x || !out.bytes || !out.terms || !scalar_arithmetic.attend_by_rule(&call, &kept, out)) exit(1);
  free(x), free(out.bytes), free(out.terms);
  return counted;
}

int main(void) {
  for (int64_t tokens = 1024; tokens <= 8192; tokens *= 8)
    printf("%lld %lld %lld\n", (long long)scores_of(tokens, 0, -1), (long long)scores_of(tokens, 1, -1),
           (long long)scores_of(tokens, 0, 64));
  return 0;
}
