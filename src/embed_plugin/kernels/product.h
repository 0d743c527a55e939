/* The parts of a product, and the steps that turn its sums into results. */
#pragma once

#include "gelu.h"
#include "quantise.h"

enum { GROUP = 4 }; /* rows of a weight that lie together: one instruction adds up four products */

typedef struct {
  const uint8_t *rows;
  const int8_t *weights;
  const int32_t *correction;
  const float *multiplier, *bias;
  int64_t row_count, depth, columns;
  const Quantiser *to; /* null: the result is float */
  void *result;
} Product;

/* How many parts of a size there are, the last of which may be smaller. */
static inline int64_t parts(int64_t count, int64_t size) { return (count + size - 1) / size; }
static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Both give the same results, bit for bit: sums of whole numbers, and the shared steps below. The second returns 0 and
 * does nothing if there is no memory for it. */
void multiply_by_vnni(const Product *p);
int multiply_by_tiles(const Product *p);

/* The constants that turn the sums of 16 columns into results. */
typedef struct {
  __m512i correction;
  Floats multiplier, bias;
  int64_t first, left; /* the first column, and how many there are from it to the last */
} Columns;

static inline Columns read_columns(const Product *p, int64_t first) {
  const int64_t left = p->columns - first;
  return (Columns){
      .correction = _mm512_maskz_loadu_epi32(lanes(left), p->correction + first),
      .multiplier = load(p->multiplier + first, left),
      .bias = load(p->bias + first, left),
      .first = first,
      .left = left,
  };
}

/* `to` is null, or what `p->to` points to. */
static inline void store_result(const Product *p, const Quantiser *to, const Columns *columns, __m512i sum, int64_t row) {
  const Floats exact = _mm512_cvtepi32_ps(_mm512_add_epi32(sum, columns->correction));
  const Floats y = _mm512_fmadd_ps(exact, columns->multiplier, columns->bias);
  const int64_t at = row * p->columns + columns->first;
  if (to)
    store_uint8((uint8_t *)p->result + at, to_uint8(gelu(y), to), columns->left);
  else
    store((float *)p->result + at, y, columns->left);
}
