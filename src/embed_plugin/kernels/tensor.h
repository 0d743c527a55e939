/* The inputs and outputs of one call, and early returns if their shapes do not fit together. */
#pragma once

#include "arithmetic.h"
#include "onnxruntime_abi.h"

enum { MOST_DIMENSIONS = 8 };

typedef struct {
  void *data;
  int64_t dimensions[MOST_DIMENSIONS];
  size_t rank;
  int64_t count; /* of values, all dimensions together */
} Tensor;

/* An operator of one session: onnxruntime's functions, this CPU's, and what the node's attributes say. */
typedef struct {
  OrtApi ort;
  const Arithmetic *arithmetic;
  int64_t heads, threads; /* threads: of the session, for one call */
  float epsilon;
  int64_t rms, kv_heads, causal, window, activation, gated;
  float scale;
} Kernel;

/* Return the status if it is a failure; the caller of the operator releases it. */
#define TRY(call)                \
  do {                           \
    OrtStatus *status_ = (call); \
    if (status_) return status_; \
  } while (0)

/* Return an error unless the condition on the inputs holds: the arithmetic checks nothing. */
#define EXPECT(kernel, condition, message)                                             \
  do {                                                                                 \
    if (!(condition)) return ort_status((kernel)->ort, ORT_INVALID_ARGUMENT, message); \
  } while (0)

OrtStatus *read_input(const Kernel *kernel, OrtKernelContext *context, size_t index, Tensor *tensor);

/* As read_input, of an input that the graph may leave out: then it has a value, and no data. */
OrtStatus *read_optional(const Kernel *kernel, OrtKernelContext *context, size_t index, Tensor *tensor);
static inline int is_left_out(const Tensor *tensor) { return tensor->count && !tensor->data; }

/* Create an output with `extra` values more in each row than `like` has. */
OrtStatus *create_output(const Kernel *kernel, OrtKernelContext *context, size_t index, const Tensor *like,
                         int64_t extra, void **data);

static inline int same_shape(const Tensor *a, const Tensor *b) {
  if (a->rank != b->rank) return 0;
  for (size_t i = 0; i < a->rank; i++)
    if (a->dimensions[i] != b->dimensions[i]) return 0;
  return 1;
}
