/* The operators of the domain `embed_plugin`; register.c says what their inputs and outputs are. */
#pragma once

#include "onnxruntime_abi.h"

OrtStatus *quantise_rows(void *kernel, OrtKernelContext *context);
OrtStatus *quantised_product(void *kernel, OrtKernelContext *context);
OrtStatus *product_gelu_quantise(void *kernel, OrtKernelContext *context);
OrtStatus *add_norm_quantise(void *kernel, OrtKernelContext *context);
OrtStatus *attention_quantise(void *kernel, OrtKernelContext *context);
OrtStatus *norm_rows(void *kernel, OrtKernelContext *context);
OrtStatus *sum_tokens(void *kernel, OrtKernelContext *context);
OrtStatus *unit_rows(void *kernel, OrtKernelContext *context);
OrtStatus *add_then_norm_quantise(void *kernel, OrtKernelContext *context);
OrtStatus *rule_attention_quantise(void *kernel, OrtKernelContext *context);
OrtStatus *product_gate_quantise(void *kernel, OrtKernelContext *context);
OrtStatus *rotate_heads(void *kernel, OrtKernelContext *context);
OrtStatus *multiply_column(void *kernel, OrtKernelContext *context);
