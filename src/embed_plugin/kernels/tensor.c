#include "tensor.h"

static OrtStatus *read_shape(OrtApi ort, const OrtShapeInfo *shape, Tensor *tensor) {
  TRY(ort_rank(ort, shape, &tensor->rank));
  if (tensor->rank > MOST_DIMENSIONS)
    return ort_status(ort, ORT_INVALID_ARGUMENT, "embed_plugin: an input has more than 8 dimensions");
  TRY(ort_dimensions(ort, shape, tensor->dimensions, tensor->rank));
  tensor->count = 1;
  for (size_t i = 0; i < tensor->rank; i++)
    if (__builtin_mul_overflow(tensor->count, tensor->dimensions[i], &tensor->count))
      return ort_status(ort, ORT_INVALID_ARGUMENT, "embed_plugin: an input has too many values");
  return NULL;
}

OrtStatus *read_input(const Kernel *kernel, OrtKernelContext *context, size_t index, Tensor *tensor) {
  TRY(read_optional(kernel, context, index, tensor));
  EXPECT(kernel, !is_left_out(tensor), "embed_plugin: an input is missing");
  return NULL;
}

OrtStatus *read_optional(const Kernel *kernel, OrtKernelContext *context, size_t index, Tensor *tensor) {
  OrtApi ort = kernel->ort;
  const OrtValue *value = NULL;
  *tensor = (Tensor){.count = 1};
  TRY(ort_input(ort, context, index, &value));
  if (!value) return NULL;
  OrtShapeInfo *shape = NULL;
  TRY(ort_shape(ort, value, &shape));
  OrtStatus *status = read_shape(ort, shape, tensor);
  ort_release_shape(ort, shape);
  if (status) return status;
  return ort_data(ort, value, &tensor->data);
}

OrtStatus *create_output(const Kernel *kernel, OrtKernelContext *context, size_t index, const Tensor *like,
                         int64_t extra, void **data) {
  int64_t dimensions[MOST_DIMENSIONS];
  for (size_t i = 0; i < like->rank; i++) dimensions[i] = like->dimensions[i];
  if (like->rank) dimensions[like->rank - 1] += extra;
  OrtValue *value = NULL;
  TRY(ort_output(kernel->ort, context, index, dimensions, like->rank, &value));
  EXPECT(kernel, value, "embed_plugin: an output is missing");
  return ort_data(kernel->ort, value, data);
}
