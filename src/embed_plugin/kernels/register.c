/* The entry point that onnxruntime calls in the library, and the description of each operator. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exported.h"
#include "operators.h"
#include "tensor.h"

enum { MOST_HEADS = 1024 };
#define MOST_SCALE 1e6f

/* One letter an input or output: f is float, b uint8, s int8, n int32, i int64, and I one that may be left out. */
typedef struct {
  OrtCustomOp op; /* first, so that a pointer to it is one to this */
  const char *name, *inputs, *outputs;
  int64_t threads; /* of the sessions it is for */
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
static int input_characteristic(const OrtCustomOp *op, size_t index) {
  return described(op)->inputs[index] == 'I' ? ORT_OPTIONAL : ORT_REQUIRED;
}
static int output_characteristic(const OrtCustomOp *op, size_t index) { return (void)op, (void)index, ORT_REQUIRED; }
static int memory(const OrtCustomOp *op, size_t index) { return (void)op, (void)index, ORT_MEMORY_DEFAULT; }
static int not_variadic(const OrtCustomOp *op) { return (void)op, 0; }
static void destroy(void *kernel) { free(kernel); }

static OrtStatus *new_kernel(const OrtCustomOp *op, OrtApi ort, Kernel values, void **kernel) {
  values.ort = ort;
  values.threads = described(op)->threads;
  values.arithmetic = choose_arithmetic();
  *kernel = malloc(sizeof values);
  if (!*kernel) return ort_status(ort, ORT_FAIL, "embed_plugin: no memory for an operator");
  memcpy(*kernel, &values, sizeof values);
  return NULL;
}

static OrtStatus *create_plain(const OrtCustomOp *op, OrtApi ort, const OrtKernelInfo *info, void **kernel) {
  (void)info;
  return new_kernel(op, ort, (Kernel){0}, kernel);
}

/* An attribute that graphs may leave out: then it is 0. */
static int64_t optional_int(OrtApi ort, const OrtKernelInfo *info, const char *name) {
  int64_t value = 0;
  OrtStatus *status = ort_int_attribute(ort, info, name, &value);
  if (!status) return value;
  ort_release_status(ort, status);
  return 0;
}

/* An attribute that must be there, and within bounds. */
static OrtStatus *read_int(OrtApi ort, const OrtKernelInfo *info, const char *name, int64_t from, int64_t to, int64_t *value) {
  TRY(ort_int_attribute(ort, info, name, value));
  if (*value >= from && *value <= to) return NULL;
  char message[96];
  snprintf(message, sizeof message, "embed_plugin: %s must be %lld to %lld", name, (long long)from, (long long)to);
  return ort_status(ort, ORT_INVALID_ARGUMENT, message);
}

static OrtStatus *create_with_epsilon(const OrtCustomOp *op, OrtApi ort, const OrtKernelInfo *info, void **kernel) {
  Kernel values = {.rms = optional_int(ort, info, "rms")};
  TRY(ort_float_attribute(ort, info, "epsilon", &values.epsilon));
  return new_kernel(op, ort, values, kernel);
}

static OrtStatus *create_attention(const OrtCustomOp *op, OrtApi ort, const OrtKernelInfo *info, void **kernel) {
  Kernel values = {0};
  TRY(read_int(ort, info, "num_heads", 1, MOST_HEADS, &values.heads));
  return new_kernel(op, ort, values, kernel);
}

static OrtStatus *create_rule_attention(const OrtCustomOp *op, OrtApi ort, const OrtKernelInfo *info, void **kernel) {
  Kernel values = {0};
  TRY(read_int(ort, info, "num_heads", 1, MOST_HEADS, &values.heads));
  TRY(read_int(ort, info, "kv_heads", 1, MOST_HEADS, &values.kv_heads));
  TRY(read_int(ort, info, "causal", 0, 1, &values.causal));
  TRY(read_int(ort, info, "window", -1, MOST_KEYS, &values.window));
  TRY(ort_float_attribute(ort, info, "scale", &values.scale));
  if (values.heads % values.kv_heads != 0)
    return ort_status(ort, ORT_INVALID_ARGUMENT, "RuleAttentionQuantise: num_heads must be a multiple of kv_heads");
  if (!(values.scale > 0 && values.scale <= MOST_SCALE))
    return ort_status(ort, ORT_INVALID_ARGUMENT, "RuleAttentionQuantise: scale must be positive, and at most 1e6");
  return new_kernel(op, ort, values, kernel);
}

static OrtStatus *create_gate(const OrtCustomOp *op, OrtApi ort, const OrtKernelInfo *info, void **kernel) {
  Kernel values = {0};
  TRY(read_int(ort, info, "activation", 0, ACTIVATIONS - 1, &values.activation));
  TRY(read_int(ort, info, "gated", 0, 1, &values.gated));
  return new_kernel(op, ort, values, kernel);
}

static OrtStatus *create_rotation(const OrtCustomOp *op, OrtApi ort, const OrtKernelInfo *info, void **kernel) {
  Kernel values = {0};
  TRY(read_int(ort, info, "num_heads", 1, MOST_HEADS, &values.heads));
  TRY(ort_float_attribute(ort, info, "epsilon", &values.epsilon));
  return new_kernel(op, ort, values, kernel);
}

#define OPERATOR(name_, create_, compute_, inputs_, outputs_) \
  {                                                           \
    .op = {.version = ORT_OPERATOR_VERSION,                      \
           .name = name,                                      \
           .provider = provider,                              \
           .input_type = input_type,                          \
           .input_count = input_count,                        \
           .output_type = output_type,                        \
           .output_count = output_count,                      \
           .destroy = destroy,                                \
           .input_characteristic = input_characteristic,      \
           .output_characteristic = output_characteristic,    \
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
    /* q, k, v, kept, seen -> rows, terms */
    OPERATOR("AttentionQuantise", create_attention, attention_quantise, "fffiI", "bf"),
    /* x, gamma, beta -> y */
    OPERATOR("NormRows", create_with_epsilon, norm_rows, "fff", "f"),
    /* x -> y */
    OPERATOR("SumTokens", create_plain, sum_tokens, "f", "f"),
    OPERATOR("UnitRows", create_with_epsilon, unit_rows, "f", "f"),
    /* a, b, gamma, beta, kept -> a + b, rows, terms */
    OPERATOR("AddThenNormQuantise", create_with_epsilon, add_then_norm_quantise, "ffffi", "fbf"),
    /* q, k, v, bias, kept, seen -> rows, terms */
    OPERATOR("RuleAttentionQuantise", create_rule_attention, rule_attention_quantise, "ffffiI", "bf"),
    /* as ProductGeluQuantise */
    OPERATOR("ProductGateQuantise", create_gate, product_gate_quantise, "bfsnfffi", "bf"),
    /* x, cosines, sines, gamma -> y */
    OPERATOR("RotateHeads", create_rotation, rotate_heads, "ffff", "f"),
    /* x, weight -> y */
    OPERATOR("MultiplyColumn", create_plain, multiply_column, "ff", "f"),
};

enum { OPERATORS = sizeof operators / sizeof *operators, MOST_THREADS = 64 };

/* Operators of sessions with so many threads. */
typedef struct {
  Operator operators[OPERATORS];
  OrtCustomOpDomain *domain;
} Domain;

static OrtStatus *fill_domain(OrtApi ort, Domain *of, int64_t threads) {
  memcpy(of->operators, operators, sizeof operators);
  for (size_t i = 0; i < OPERATORS; i++) {
    of->operators[i].threads = threads;
    TRY(ort_add_operator(ort, of->domain, &of->operators[i].op));
  }
  return NULL;
}

static OrtStatus *new_domain(OrtApi ort, int64_t threads, Domain **made) {
  Domain *of = malloc(sizeof *of);
  if (!of) return ort_status(ort, ORT_FAIL, "embed_plugin: no memory for the operators");
  OrtStatus *status = ort_create_domain(ort, "embed_plugin", &of->domain);
  if (!status) {
    status = fill_domain(ort, of, threads);
    if (status) ort_release_domain(ort, of->domain);
  }
  if (status)
    free(of);
  else
    *made = of;
  return status;
}

/* The session's own entry, which Python writes beside its number of threads; 1 where there is none. */
static OrtStatus *threads_of(OrtApi ort, const OrtSessionOptions *options, int64_t *threads) {
  static const char key[] = "embed_plugin.threads";
  int there = 0;
  char value[8] = "1";
  size_t size = sizeof value;
  TRY(ort_has_entry(ort, options, key, &there));
  if (there) TRY(ort_entry(ort, options, key, value, &size));
  const int64_t found = strtol(value, NULL, 10);
  *threads = found < 1 ? 1 : least(found, MOST_THREADS);
  return NULL;
}

/* Sessions refer to a domain and do not own it, so that there is one for all of them that have so many threads; it lives as
 * long as the process, as this library does (hatch_build.py says why), and is never taken away from a session at exit. */
static _Atomic(Domain *) shared_domains[MOST_THREADS + 1];

/* Threads that come at the same time may each make one: the first stays. */
static OrtStatus *find_domain(OrtApi ort, int64_t threads, Domain **found) {
  *found = atomic_load(&shared_domains[threads]);
  if (*found) return NULL;
  Domain *made = NULL;
  TRY(new_domain(ort, threads, &made));
  if (atomic_compare_exchange_strong(&shared_domains[threads], found, made)) {
    *found = made;
  } else { /* the exchange has found the other thread's */
    ort_release_domain(ort, made->domain);
    free(made);
  }
  return NULL;
}

EXPORTED OrtStatus *RegisterCustomOps(OrtSessionOptions *options, const OrtApiBase *base) {
  OrtApi ort = base->api(ORT_TABLE_VERSION);
  if (!ort) return ort_status(base->api(1), ORT_FAIL, "embed_plugin: this onnxruntime is older than release 1.17");
  int64_t threads = 1;
  Domain *domain;
  TRY(threads_of(ort, options, &threads));
  TRY(find_domain(ort, threads, &domain));
  return ort_add_domain(ort, options, domain->domain);
}
