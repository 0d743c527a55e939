/* SumTokens, MultiplyColumn and UnitRows: token vectors become one vector of length 1, in the same order on every CPU. */
#include "operators.h"
#include "tensor.h"

OrtStatus *sum_tokens(void *instance, OrtKernelContext *context) {
  const Kernel *kernel = instance;
  Tensor x;
  void *y;
  TRY(read_input(kernel, context, 0, &x));
  EXPECT(kernel, x.rank == 3, "SumTokens: token vectors must be (n, length, h)");
  const int64_t texts = x.dimensions[0], tokens = x.dimensions[1], width = x.dimensions[2];
  const Tensor like = {.dimensions = {texts, 1, width}, .rank = 3};
  TRY(create_output(kernel, context, 0, &like, 0, &y));
  for (int64_t text = 0; text < texts; text++)
    kernel->arithmetic->sum_rows((const float *)x.data + text * tokens * width, tokens, width, (float *)y + text * width);
  return NULL;
}

OrtStatus *unit_rows(void *instance, OrtKernelContext *context) {
  const Kernel *kernel = instance;
  Tensor x;
  void *y;
  TRY(read_input(kernel, context, 0, &x));
  EXPECT(kernel, x.rank >= 1 && x.dimensions[x.rank - 1] >= 1, "UnitRows: a row must have values");
  const int64_t width = x.dimensions[x.rank - 1];
  TRY(create_output(kernel, context, 0, &x, 0, &y));
  for (int64_t at = 0; at < x.count; at += width)
    kernel->arithmetic->scale_to_unit((const float *)x.data + at, width, kernel->epsilon, (float *)y + at);
  return NULL;
}

OrtStatus *multiply_column(void *instance, OrtKernelContext *context) {
  const Kernel *kernel = instance;
  Tensor weight, x;
  void *y;
  TRY(read_input(kernel, context, 0, &x));
  TRY(read_input(kernel, context, 1, &weight));
  EXPECT(kernel, weight.rank == 2 && x.rank == 3 && x.dimensions[2] == 1 && x.dimensions[1] == weight.dimensions[1],
         "MultiplyColumn: vectors must be (n, in, 1), and a weight (out, in)");
  const int64_t texts = x.dimensions[0], outputs = weight.dimensions[0], inputs = weight.dimensions[1];
  const Tensor like = {.dimensions = {texts, outputs, 1}, .rank = 3};
  TRY(create_output(kernel, context, 0, &like, 0, &y));
  for (int64_t text = 0; text < texts && outputs > 0; text++)
    kernel->arithmetic->multiply_rows(weight.data, outputs, inputs, (const float *)x.data + text * inputs,
                                      (float *)y + text * outputs);
  return NULL;
}
