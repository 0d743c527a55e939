/* The entry point that onnxruntime calls in the library, and the description of each operator. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "exported.h"
#include "operators.h"
#include "tensor.h"

enum { MOST_HEADS = 1024 };

/* One letter an input or output: f is float, b uint8, s int8, n int32, i int64. */
typedef struct {
  OrtCustomOp op; /* first, so that a pointer to it is one to this */
  const char *name, *inputs, *outputs;
} Operator;

static const Operator *described(const OrtCustomOp *op) { return (const Operator *)op; }
static int type_of(char letter) {
  switch (letter) {
    case 'f': return ORT_FLOAT;
    case 'b': return ORT_UINT8;
    case 's': return ORT_INT8;
    case 'n': return ORT_INT32;
    default: return ORT_INT64;
  }
}

static const char *name(const OrtCustomOp *op) { return described(op)->name; }
static const char *provider(const OrtCustomOp *op) { return (void)op, NULL; } /* null: any CPU */
static int input_type(const OrtCustomOp *op, size_t index) { return type_of(described(op)->inputs[index]); }
static size_t input_count(const OrtCustomOp *op) { return strlen(described(op)->inputs); }
static int output_type(const OrtCustomOp *op, size_t index) { return type_of(described(op)->outputs[index]); }
static size_t output_count(const OrtCustomOp *op) { return strlen(described(op)->outputs); }
static int characteristic(const OrtCustomOp *op, size_t index) { return (void)op, (void)index, ORT_REQUIRED; }
static int memory(const OrtCustomOp *op, size_t index) { return (void)op, (void)index, ORT_MEMORY_DEFAULT; }
static int not_variadic(const OrtCustomOp *op) { return (void)op, 0; }
static void destroy(void *kernel) { free(kernel); }

static OrtStatus *new_kernel(OrtApi ort, Kernel values, void **kernel) {
  values.ort = ort;
  values.arithmetic = choose_arithmetic();
  *kernel = malloc(sizeof values);
  if (!*kernel) return ort_status(ort, ORT_FAIL, "embed_plugin: no memory for an operator");
  memcpy(*kernel, &values, sizeof values);
  return NULL;
}

static OrtStatus *create_plain(const OrtCustomOp *op, OrtApi ort, const OrtKernelInfo *info, void **kernel) {
  (void)op, (void)info;
  return new_kernel(ort, (Kernel){0}, kernel);
}

static OrtStatus *create_with_epsilon(const OrtCustomOp *op, OrtApi ort, const OrtKernelInfo *info, void **kernel) {
  (void)op;
  Kernel values = {0};
  TRY(ort_float_attribute(ort, info, "epsilon", &values.epsilon));
  return new_kernel(ort, values, kernel);
}

static OrtStatus *create_attention(const OrtCustomOp *op, OrtApi ort, const OrtKernelInfo *info, void **kernel) {
  (void)op;
  Kernel values = {0};
  TRY(ort_int_attribute(ort, info, "num_heads", &values.heads));
  if (values.heads < 1 || values.heads > MOST_HEADS)
    return ort_status(ort, ORT_INVALID_ARGUMENT, "AttentionQuantise: num_heads must be 1 to 1024");
  return new_kernel(ort, values, kernel);
}

#define OPERATOR(name_, create_, compute_, inputs_, outputs_) \
  {                                                           \
    .op = {.version = ORT_TABLE_VERSION,                      \
           .name = name,                                      \
           .provider = provider,                              \
           .input_type = input_type,                          \
           .input_count = input_count,                        \
           .output_type = output_type,                        \
           .output_count = output_count,                      \
           .destroy = destroy,                                \
           .input_characteristic = characteristic,            \
           .output_characteristic = characteristic,           \
           .input_memory = memory,                            \
           .variadic_input_least = not_variadic,              \
           .variadic_input_homogeneous = not_variadic,        \
           .variadic_output_least = not_variadic,             \
           .variadic_output_homogeneous = not_variadic,       \
           .create = create_,                                 \
           .compute = compute_},                              \
    .name = name_, .inputs = inputs_, .outputs = outputs_     \
  }

static const Operator operators[] = {
    /* x, kept -> rows, terms */
    OPERATOR("QuantiseRows", create_plain, quantise_rows, "fi", "bf"),
    /* rows, terms, weights, correction, multiplier, term_weights, bias -> y */
    OPERATOR("QuantisedProduct", create_plain, quantised_product, "bfsnfff", "f"),
    /* the same, kept -> rows, terms */
    OPERATOR("ProductGeluQuantise", create_plain, product_gelu_quantise, "bfsnfffi", "bf"),
    /* a, b, gamma, beta, kept -> y, rows, terms */
    OPERATOR("AddNormQuantise", create_with_epsilon, add_norm_quantise, "ffffi", "fbf"),
    /* q, k, v, kept -> rows, terms */
    OPERATOR("AttentionQuantise", create_attention, attention_quantise, "fffi", "bf"),
    /* x, gamma, beta -> y */
    OPERATOR("NormRows", create_with_epsilon, norm_rows, "fff", "f"),
    /* x -> y */
    OPERATOR("SumTokens", create_plain, sum_tokens, "f", "f"),
    OPERATOR("UnitRows", create_with_epsilon, unit_rows, "f", "f"),
};

static OrtStatus *fill_domain(OrtApi ort, OrtCustomOpDomain *domain) {
  for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
    TRY(ort_add_operator(ort, domain, &operators[i].op));
  return NULL;
}

/* Sessions refer to the domain and do not own it, so that there is one for all of them; it lives as long as the
 * process, as this library does (hatch_build.py says why), and is never taken away from a session at exit. */
static _Atomic(OrtCustomOpDomain *) shared_domain;

/* Threads that come at the same time may each make one: the first stays. */
static OrtStatus *find_domain(OrtApi ort, OrtCustomOpDomain **found) {
  *found = atomic_load(&shared_domain);
  if (*found) return NULL;
  OrtCustomOpDomain *made = NULL;
  TRY(ort_create_domain(ort, "embed_plugin", &made));
  OrtStatus *status = fill_domain(ort, made);
  if (!status && atomic_compare_exchange_strong(&shared_domain, found, made))
    *found = made;
  else /* the exchange has found the other thread's */
    ort_release_domain(ort, made);
  return status;
}

EXPORTED OrtStatus *RegisterCustomOps(OrtSessionOptions *options, const OrtApiBase *base) {
  OrtApi ort = base->api(ORT_TABLE_VERSION);
  if (!ort) return ort_status(base->api(1), ORT_FAIL, "embed_plugin: this onnxruntime is older than release 1.16");
  OrtCustomOpDomain *domain;
  TRY(find_domain(ort, &domain));
  return ort_add_domain(ort, options, domain);
}
