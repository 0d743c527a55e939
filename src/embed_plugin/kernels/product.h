/* What the operators that multiply have in common. */
#pragma once

#include "tensor.h"

/* Read inputs 0 to 6: rows, terms, weights, correction, multiplier, term_weights, bias. */
OrtStatus *read_product(const Kernel *kernel, OrtKernelContext *context, Product *p, Tensor *rows);

/* Rows whose results, as floats, stay in the second cache until they are quantised: whole blocks of either product. */
int64_t rows_at_a_time(int64_t columns);
