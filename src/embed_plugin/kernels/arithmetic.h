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

/* y = LayerNorm(a + b) of `count` rows, or RMSNorm(a + b), which subtracts no mean; b may be null, for a norm of a alone, and
 * beta, for one without a bias. */
typedef struct {
  const float *a, *b, *gamma, *beta;
  float *y;
  float *normed; /* memory for one row, where y is to keep a + b; else null */
  int64_t count, width, rms;
  float epsilon;
} Norm;

/* softmax(q k^T / sqrt(size)) v of every head: q is (texts, rows, width), k and v are (texts, keys, width), and a width is
 * heads * size, or more if these are some heads of others. */
typedef struct {
  const float *q, *k, *v;
  const int64_t *seen; /* the first keys that a text's queries see, for each text; or null: all */
  int64_t texts, rows, keys, heads, size, width;
} Attention;

/* Some heads of one text. */
static inline Attention attention_of(const Attention *call, int64_t text, int64_t first, int64_t heads) {
  Attention one = *call;
  one.q += text * call->rows * call->width + first * call->size;
  one.k += text * call->keys * call->width + first * call->size;
  one.v += text * call->keys * call->width + first * call->size;
  one.texts = 1, one.heads = heads;
  if (call->seen) one.keys = call->seen[text], one.seen = 0;
  return one;
}

/* Attention where a query's position says which keys it sees, and what distance adds to a score. The first query is at
 * position 0; there are no more queries than keys. */
typedef struct {
  const float *q, *k, *v; /* (texts, rows, heads * size); (texts, keys, kv_heads * size) */
  const float *bias;      /* (heads, 2 * positions - 1), of key j and query i in column positions - 1 + j - i; or null */
  const int64_t *seen;    /* the first keys that a text's queries see, for each text; or null: all */
  int64_t texts, rows, keys, heads, kv_heads, size, positions;
  int64_t causal, window; /* window: the most positions between a query and a key that it sees; negative: any */
  float scale;
} RuleAttention;

/* Keys that a query sees, of `keys`: from `first` to before `end`, which never decrease from one query to the next. */
typedef struct {
  int64_t first, end;
} Seen;

static inline Seen seen_by(const RuleAttention *call, int64_t query) {
  const int64_t last = call->causal ? query : call->window < 0 ? call->keys - 1 : query + call->window;
  const int64_t first = call->window < 0 ? 0 : query - call->window;
  return (Seen){first < 0 ? 0 : first, least(last + 1, call->keys)};
}

/* As attributes of operators have them. */
typedef enum { GELU, GELU_TANH, SILU, RELU, ACTIVATIONS } Activation;

/* What becomes of rows of a product: the activation of `width` values, or, of rows twice as wide, the product of the first
 * half with the activation of the second. */
typedef struct {
  Activation activation;
  int gated;
} Gate;

/* x (texts, tokens, heads * size), whose heads turn by their token's position: channel i with channel i + size / 2. */
typedef struct {
  const float *x, *cosines, *sines; /* cosines, sines: (positions, size / 2) */
  const float *gamma;               /* (size,): of an RMSNorm of each head before it turns; or null */
  float *y;
  int64_t texts, tokens, heads, size;
  float epsilon;
} Rotation;

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
  int (*attend_by_rule)(const RuleAttention *call, const Kept *kept, Rows out);
  void (*gate)(const Gate *gate, const Kept *kept, float *x, int64_t count, Rows out); /* x is written over */
  void (*rotate)(const Rotation *call);
  void (*multiply_rows)(const float *rows, int64_t count, int64_t width, const float *x, float *y); /* each row times x */
} Arithmetic;

/* The best table that this CPU can run, or the one that the environment variable of embed_plugin/cpu/classes.py names. */
const Arithmetic *choose_arithmetic(void);
