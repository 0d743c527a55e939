/* Keys and values of one head, in the order in which the bf16 products read them. */
#pragma once

#include "vector.h"

/* A product takes bf16 in pairs and adds both to one float: a pair is a uint32 here.
 *
 * The rows are `padded` keys wide, a multiple of 32; the scores of the keys that fill them up are left out later. */
typedef struct {
  uint32_t *keys;    /* [size / 2][padded]: two neighbouring channels of a key */
  uint32_t *values;  /* [padded / 2][size]: one channel of two neighbouring keys */
  int64_t count, padded;
} PackedHead;

/* Round to bf16, the lower half from `low`. */
static inline __m512i to_bf16(Floats low, Floats high) { return (__m512i)_mm512_cvtne2ps_pbh(high, low); }

/* Pack `head->count` rows of `size` channels, each row `stride` floats behind the one before. */
void pack_keys(const PackedHead *head, const float *keys, int64_t stride, int size);
void pack_values(const PackedHead *head, const float *values, int64_t stride, int size);
