/* The part of onnxruntime's C interface that these kernels use; its wheel has no headers.
 *
 * The interface is a table of function pointers that only grows: a function keeps its place. The last place below came
 * with the table's version 17. The struct that describes an operator grows the same way, and its `version` says which
 * fields are set: 16 is the first with the two functions that return a status. */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct OrtStatus OrtStatus; /* null is success; the last receiver releases any other */
typedef struct OrtSessionOptions OrtSessionOptions;
typedef struct OrtCustomOpDomain OrtCustomOpDomain;
typedef struct OrtKernelContext OrtKernelContext;
typedef struct OrtKernelInfo OrtKernelInfo;
typedef struct OrtShapeInfo OrtShapeInfo;
typedef struct OrtValue OrtValue;
typedef struct OrtCustomOp OrtCustomOp;

typedef void (*OrtFunction)(void);
typedef const OrtFunction *OrtApi;

typedef struct {
  OrtApi (*api)(uint32_t version);
  const char *(*release)(void);
} OrtApiBase;

enum { ORT_TABLE_VERSION = 17, ORT_OPERATOR_VERSION = 16 };
enum { ORT_FAIL = 1, ORT_INVALID_ARGUMENT = 2 };
enum { ORT_FLOAT = 1, ORT_UINT8 = 2, ORT_INT8 = 3, ORT_INT32 = 6, ORT_INT64 = 7 };
enum { ORT_REQUIRED = 0, ORT_OPTIONAL = 1 };
enum { ORT_MEMORY_DEFAULT = 0 };

struct OrtCustomOp {
  uint32_t version;
  void *(*create_without_status)(const OrtCustomOp *, OrtApi, const OrtKernelInfo *);
  const char *(*name)(const OrtCustomOp *);
  const char *(*provider)(const OrtCustomOp *);
  int (*input_type)(const OrtCustomOp *, size_t);
  size_t (*input_count)(const OrtCustomOp *);
  int (*output_type)(const OrtCustomOp *, size_t);
  size_t (*output_count)(const OrtCustomOp *);
  void (*compute_without_status)(void *kernel, OrtKernelContext *);
  void (*destroy)(void *kernel);
  int (*input_characteristic)(const OrtCustomOp *, size_t);
  int (*output_characteristic)(const OrtCustomOp *, size_t);
  int (*input_memory)(const OrtCustomOp *, size_t);
  int (*variadic_input_least)(const OrtCustomOp *);
  int (*variadic_input_homogeneous)(const OrtCustomOp *);
  int (*variadic_output_least)(const OrtCustomOp *);
  int (*variadic_output_homogeneous)(const OrtCustomOp *);
  OrtStatus *(*create)(const OrtCustomOp *, OrtApi, const OrtKernelInfo *, void **kernel);
  OrtStatus *(*compute)(void *kernel, OrtKernelContext *);
  OrtFunction later[8]; /* fields of later versions, null here */
};

/* The function at a place of the table, as one that takes these types and returns a status. */
#define ORT_CALL(ort, place, ...) ((OrtStatus * (*)(__VA_ARGS__)) (ort)[place])

static inline OrtStatus *ort_status(OrtApi ort, int code, const char *message) {
  return ORT_CALL(ort, 0, int, const char *)(code, message);
}
static inline OrtStatus *ort_create_domain(OrtApi ort, const char *name, OrtCustomOpDomain **domain) {
  return ORT_CALL(ort, 26, const char *, OrtCustomOpDomain **)(name, domain);
}
static inline OrtStatus *ort_add_operator(OrtApi ort, OrtCustomOpDomain *domain, const OrtCustomOp *op) {
  return ORT_CALL(ort, 27, OrtCustomOpDomain *, const OrtCustomOp *)(domain, op);
}
static inline OrtStatus *ort_add_domain(OrtApi ort, OrtSessionOptions *options, OrtCustomOpDomain *domain) {
  return ORT_CALL(ort, 28, OrtSessionOptions *, OrtCustomOpDomain *)(options, domain);
}
static inline OrtStatus *ort_data(OrtApi ort, const OrtValue *value, void **data) {
  return ORT_CALL(ort, 51, const OrtValue *, void **)(value, data);
}
static inline OrtStatus *ort_rank(OrtApi ort, const OrtShapeInfo *shape, size_t *rank) {
  return ORT_CALL(ort, 61, const OrtShapeInfo *, size_t *)(shape, rank);
}
static inline OrtStatus *ort_dimensions(OrtApi ort, const OrtShapeInfo *shape, int64_t *dimensions, size_t rank) {
  return ORT_CALL(ort, 62, const OrtShapeInfo *, int64_t *, size_t)(shape, dimensions, rank);
}
static inline OrtStatus *ort_shape(OrtApi ort, const OrtValue *value, OrtShapeInfo **shape) {
  return ORT_CALL(ort, 65, const OrtValue *, OrtShapeInfo **)(value, shape);
}
static inline OrtStatus *ort_float_attribute(OrtApi ort, const OrtKernelInfo *info, const char *name, float *value) {
  return ORT_CALL(ort, 85, const OrtKernelInfo *, const char *, float *)(info, name, value);
}
static inline OrtStatus *ort_int_attribute(OrtApi ort, const OrtKernelInfo *info, const char *name, int64_t *value) {
  return ORT_CALL(ort, 86, const OrtKernelInfo *, const char *, int64_t *)(info, name, value);
}
static inline void ort_release_status(OrtApi ort, OrtStatus *status) { ((void (*)(OrtStatus *))ort[93])(status); }
static inline OrtStatus *ort_input(OrtApi ort, OrtKernelContext *context, size_t index, const OrtValue **value) {
  return ORT_CALL(ort, 90, OrtKernelContext *, size_t, const OrtValue **)(context, index, value);
}
static inline OrtStatus *ort_output(OrtApi ort, OrtKernelContext *context, size_t index, const int64_t *dimensions,
                                    size_t rank, OrtValue **value) {
  return ORT_CALL(ort, 91, OrtKernelContext *, size_t, const int64_t *, size_t, OrtValue **)(context, index, dimensions,
                                                                                             rank, value);
}
static inline void ort_release_shape(OrtApi ort, OrtShapeInfo *shape) {
  ((void (*)(OrtShapeInfo *))ort[99])(shape);
}
static inline void ort_release_domain(OrtApi ort, OrtCustomOpDomain *domain) {
  ((void (*)(OrtCustomOpDomain *))ort[101])(domain);
}
/* Copy the value of a session's configuration entry, with its final zero; fails if there is none, or no room for it. */
static inline OrtStatus *ort_entry(OrtApi ort, const OrtSessionOptions *options, const char *key, char *value,
                                   size_t *size) {
  return ORT_CALL(ort, 238, const OrtSessionOptions *, const char *, char *, size_t *)(options, key, value, size);
}
static inline OrtStatus *ort_has_entry(OrtApi ort, const OrtSessionOptions *options, const char *key, int *there) {
  return ORT_CALL(ort, 237, const OrtSessionOptions *, const char *, int *)(options, key, there);
}
/* Call do_piece(call, 0 .. count - 1) on the threads of the session and on this one; returns when all have returned. */
static inline OrtStatus *ort_in_parallel(OrtApi ort, const OrtKernelContext *context, void (*do_piece)(void *, size_t),
                                         size_t count, void *call) {
  return ORT_CALL(ort, 274, const OrtKernelContext *, void (*)(void *, size_t), size_t, size_t, void *)(
      context, do_piece, count, 0, call);
}
