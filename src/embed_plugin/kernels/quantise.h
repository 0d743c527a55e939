/* What the operators that quantise share. */
#pragma once

#include "arithmetic.h"
#include "tensor.h"

/* Read input `index`, the kept channels of rows that are `width` wide. */
OrtStatus *read_kept(const Kernel *kernel, OrtKernelContext *context, size_t index, int64_t width, Kept *kept);

/* Read how many keys the queries of each text see: (texts,), each 1 to the keys of k; null where the input is left out. */
OrtStatus *read_seen(const Kernel *kernel, OrtKernelContext *context, size_t index, const Tensor *k, const int64_t **seen);

/* Quantise `count` rows of floats, on the threads of the session. */
OrtStatus *quantise_floats(const Kernel *kernel, OrtKernelContext *context, const Kept *kept, const float *x,
                           int64_t count, Rows out);

/* Create outputs `index`, uint8 of the shape of `like` but as wide as `kept` says, and `index + 1`, the rows' terms. */
OrtStatus *create_rows(const Kernel *kernel, OrtKernelContext *context, size_t index, const Tensor *like,
                       const Kept *kept, Rows *rows);
