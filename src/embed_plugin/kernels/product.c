/* QuantisedProduct and ProductGeluQuantise: their inputs and outputs. */
#include "product.h"

#include "operators.h"
#include "pieces.h"
#include "quantise.h"
#include "scratch.h"

enum { BLOCK = 96, SCRATCH_BYTES = 1 << 19 };
#define NO_MEMORY "embed_plugin: no memory for the rows of a product"
enum { ACTIVATING = 64 }; /* about so many multiplications take as long as one value's GELU */
enum { UNIT_COLUMNS = 64 }; /* four panels, which is what any instruction set sums at a time, or a multiple of it */

OrtStatus *read_product(const Kernel *kernel, OrtKernelContext *context, Product *p, Tensor *rows) {
  Tensor terms, weights, correction, multiplier, term_weights, bias;
  TRY(read_input(kernel, context, 0, rows));
  TRY(read_input(kernel, context, 1, &terms));
  TRY(read_input(kernel, context, 2, &weights));
  TRY(read_input(kernel, context, 3, &correction));
  TRY(read_input(kernel, context, 4, &multiplier));
  TRY(read_input(kernel, context, 5, &term_weights));
  TRY(read_input(kernel, context, 6, &bias));
  const int64_t depth = rows->rank ? rows->dimensions[rows->rank - 1] : 0, columns = bias.count;
  EXPECT(kernel, depth >= 1 && depth <= WIDEST, "QuantisedProduct: a row must have 1 to 32768 values");
  const int64_t row_count = rows->count / depth;
  EXPECT(kernel, columns >= 1 && correction.count == columns && multiplier.count == columns,
         "QuantisedProduct: correction, multiplier and bias must have a value for each column");
  EXPECT(kernel, weights.count == parts(columns, LANES) * parts(depth, GROUP) * LANES * GROUP,
         "QuantisedProduct: the weights do not fit the rows and the bias");
  const int64_t term_count = 1 + term_weights.count / columns;
  EXPECT(kernel, term_count > MIDDLE && term_weights.count % columns == 0 && terms.count % term_count == 0 &&
                     terms.count / term_count == row_count,
         "QuantisedProduct: each row must have a scale and a term for each row of term_weights");
  *p = (Product){
      .rows = rows->data,
      .terms = terms.data,
      .weights = weights.data,
      .correction = correction.data,
      .multiplier = multiplier.data,
      .term_weights = term_weights.data,
      .bias = bias.data,
      .row_count = row_count,
      .depth = depth,
      .columns = columns,
      .stride = columns,
      .term_count = term_count,
  };
  return NULL;
}

/* A product in units of 96 rows by 64 columns, those of the same rows after each other. */
typedef struct {
  const Kernel *kernel;
  Product p;
} Units;

static int64_t units_in_row(const Product *p) { return parts(p->columns, UNIT_COLUMNS); }

/* The columns of units `first` to `end`, which are of the same rows. */
static Product product_of(const Product *p, int64_t first, int64_t end) {
  const int64_t across = units_in_row(p), row = first / across * BLOCK, column = first % across * UNIT_COLUMNS;
  Product some = *p;
  some.row_count = least(BLOCK, p->row_count - row);
  some.columns = least((end - first) * UNIT_COLUMNS, p->columns - column);
  some.rows += row * p->depth, some.terms += row * p->term_count;
  some.weights += column / LANES * parts(p->depth, GROUP) * LANES * GROUP;
  some.correction += column, some.multiplier += column, some.term_weights += column, some.bias += column;
  some.result += row * p->stride + column;
  return some;
}

static int multiply_units(const void *call, int64_t first, int64_t end) {
  const Units *units = call;
  const int64_t across = units_in_row(&units->p);
  for (int64_t next; first < end; first = next) {
    next = least(end, (first / across + 1) * across);
    const Product some = product_of(&units->p, first, next);
    if (!units->kernel->arithmetic->multiply(&some)) return 0;
  }
  return 1;
}

static OrtStatus *multiply(const Kernel *kernel, OrtKernelContext *context, const Product *p) {
  const Units units = {kernel, *p};
  const int64_t count = parts(p->row_count, BLOCK) * units_in_row(p);
  const int64_t work = least(p->row_count, BLOCK) * least(p->columns, UNIT_COLUMNS) * p->depth;
  if (kernel->threads > 1) return do_pieces(kernel, context, multiply_units, &units, count, work, NO_MEMORY);
  EXPECT(kernel, kernel->arithmetic->multiply(p), NO_MEMORY);
  return NULL;
}

OrtStatus *quantised_product(void *instance, OrtKernelContext *context) {
  const Kernel *kernel = instance;
  Product p;
  Tensor rows;
  void *result;
  TRY(read_product(kernel, context, &p, &rows));
  TRY(create_output(kernel, context, 0, &rows, p.columns - p.depth, &result));
  p.result = result;
  return multiply(kernel, context, &p);
}

int64_t rows_at_a_time(int64_t columns) {
  const int64_t fitting = SCRATCH_BYTES / ((int64_t)sizeof(float) * columns);
  return fitting < BLOCK ? BLOCK : fitting / BLOCK * BLOCK;
}

typedef struct {
  const Kernel *kernel;
  const Kept *kept;
  float *x;
  Rows out;
} Activated;

static int activate_rows(const void *of, int64_t first, int64_t end) {
  const Activated *call = of;
  const Rows out = after(call->out, call->kept, first);
  call->kernel->arithmetic->activate(call->kept, call->x + first * call->kept->width, end - first, out);
  return 1;
}

OrtStatus *product_gelu_quantise(void *instance, OrtKernelContext *context) {
  const Kernel *kernel = instance;
  Product p;
  Tensor rows;
  Kept kept;
  Rows out;
  TRY(read_product(kernel, context, &p, &rows));
  TRY(read_kept(kernel, context, 7, p.columns, &kept));
  TRY(create_rows(kernel, context, 0, &rows, &kept, &out));
  const int64_t step = least(rows_at_a_time(p.columns), p.row_count);
  p.result = scratch(SCRATCH_RESULTS, (size_t)(step * p.columns) * sizeof(float));
  EXPECT(kernel, p.result, "ProductGeluQuantise: no memory for the results");
  for (int64_t left = p.row_count; left > 0; left -= step) {
    p.row_count = least(left, step);
    TRY(multiply(kernel, context, &p));
    const Activated call = {kernel, &kept, p.result, out};
    TRY(do_pieces(kernel, context, activate_rows, &call, p.row_count, ACTIVATING * p.columns, NO_MEMORY));
    out = after(out, &kept, p.row_count);
    p.rows += step * p.depth, p.terms += step * p.term_count;
  }
  return NULL;
}
