/* What the operators compute, apart from how: the parts of each, and a table of functions for each instruction set.
 *
 * All tables give the same results, bit for bit. Products of integers are exact; every step in float is one operation of
 * IEEE 754, with fused multiplications and additions where the source has them, and sums of many floats are of 16 lanes,
 * which are added up as a tree. */
#pragma once

#include <stdint.h>

enum { LANES = 16 };               /* floats that go through the same steps together */
enum { GROUP = 4 };                /* rows of a weight that lie together: one instruction adds up four products */
enum { STEPS = 255, CENTRE = 128 };
enum { SCALE, MIDDLE, FIRST_KEPT }; /* a row's terms, in order */
enum { WIDEST = 1 << 15, LARGEST_HEAD = 256, MOST_KEYS = 1 << 17 }; /* WIDEST * 255 * 128 < 2 ** 31: sums fit */

/* How many parts of a size there are, the last of which may be smaller. */
static inline int64_t parts(int64_t count, int64_t size) { return (count + size - 1) / size; }
static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Rows of `width` channels, of which `count` are kept. */
typedef struct {
  const int64_t *channels;
  int64_t count, width;
  uint16_t quantised[WIDEST / LANES]; /* a bit for each channel that is not kept, by sixteens */
} Kept;

static inline int64_t term_count(const Kept *kept) { return FIRST_KEPT + kept->count; }

/* Rows of floats as uint8, with a scale and a zero point for each.
 *
 * x is nearly (q - zero) * scale, where the range scale * (0..255 - zero) is that of the row and holds 0. A product sums
 * (q - 128) * weight exactly and takes the rest from the row's terms: scale, middle = (128 - zero) * scale, and the values
 * of the channels that are kept as they are, because they would widen the range of all others. They count as 0 in it; their
 * bytes are undefined, and their weights 0. */
typedef struct {
  uint8_t *bytes;
  float *terms;
} Rows;

static inline Rows after(Rows rows, const Kept *kept, int64_t count) {
  return (Rows){rows.bytes + count * kept->width, rows.terms + count * term_count(kept)};
}

/* result = scale * (sum((q - 128) * weight) * multiplier) + sum of terms * term_weights + bias */
typedef struct {
  const uint8_t *rows;
  const float *terms;
  const int8_t *weights;     /* panels of 16 columns, in each the rows in fours: [panels][groups][16][4] */
  const int32_t *correction; /* -128 times the sum of a column's weights */
  const float *multiplier, *term_weights, *bias; /* term_weights: a row for the middle, and one for each kept channel */
  int64_t row_count, depth, columns, term_count;
  int64_t stride; /* from one row of term_weights, and of the result, to the next: a product may be some columns of another */
  float *result;
} Product;

/* y = LayerNorm(a + b) of `count` rows; b may be null, for LayerNorm(a). */
typedef struct {
  const float *a, *b, *gamma, *beta;
  float *y;
  int64_t count, width;
  float epsilon;
} Norm;

/* softmax(q k^T / sqrt(size)) v of every head: q is (texts, rows, width), k and v are (texts, keys, width), and a width is
 * heads * size, or more if these are some heads of others. */
typedef struct {
  const float *q, *k, *v;
  int64_t texts, rows, keys, heads, size, width;
} Attention;

/* Some heads of one text. */
static inline Attention attention_of(const Attention *call, int64_t text, int64_t first, int64_t heads) {
  Attention one = *call;
  one.q += text * call->rows * call->width + first * call->size;
  one.k += text * call->keys * call->width + first * call->size;
  one.v += text * call->keys * call->width + first * call->size;
  one.texts = 1, one.heads = heads;
  return one;
}

/* Those that return an int return 0, and have done nothing, if there is no memory. */
typedef struct {
  const char *name;
  void (*quantise)(const Kept *kept, const float *x, int64_t count, Rows out);
  int (*multiply)(const Product *product);
  void (*activate)(const Kept *kept, float *x, int64_t count, Rows out); /* x becomes its GELU */
  void (*norm)(const Norm *call);
  void (*norm_and_quantise)(const Norm *call, const Kept *kept, Rows out); /* y, and y as rows */
  int (*attend)(const Attention *call, const Kept *kept, Rows out);
  int (*attend_heads)(const Attention *call, float *rows); /* of one text, as floats: (rows, width) */
  void (*sum_rows)(const float *x, int64_t count, int64_t width, float *y); /* one row of `width` sums */
  void (*scale_to_unit)(const float *x, int64_t width, float epsilon, float *y); /* x / sqrt(sum(x ** 2) + epsilon) */
} Arithmetic;

/* The best table that this CPU can run, or the one that the environment variable of embed_plugin/cpu/classes.py names. */
const Arithmetic *choose_arithmetic(void);
