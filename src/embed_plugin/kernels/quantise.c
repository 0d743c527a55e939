#include "quantise.h"

OrtStatus *read_quantiser(const Kernel *kernel, OrtKernelContext *context, size_t first, Quantiser *quantiser) {
  Tensor scale, zero;
  TRY(read_input(kernel, context, first, &scale));
  TRY(read_input(kernel, context, first + 1, &zero));
  EXPECT(kernel, scale.count == 1 && zero.count == 1, "embed_plugin: the scale and the zero point must be one value each");
  const uint8_t at = *(const uint8_t *)zero.data;
  *quantiser = (Quantiser){
      .inverse = all(1.0f / *(const float *)scale.data),
      .lowest = all(0.0f - at),
      .highest = all(255.0f - at),
      .zero = _mm512_set1_epi32(at),
  };
  return NULL;
}

OrtStatus *read_copies(const Kernel *kernel, OrtKernelContext *context, size_t first, int64_t width, Copies *copies) {
  Tensor channels, offsets;
  TRY(read_input(kernel, context, first, &channels));
  TRY(read_input(kernel, context, first + 1, &offsets));
  EXPECT(kernel, channels.count == offsets.count, "embed_plugin: each copied channel must have one offset");
  *copies = (Copies){channels.data, offsets.data, channels.count};
  for (int64_t i = 0; i < copies->count; i++)
    EXPECT(kernel, copies->channels[i] >= 0 && copies->channels[i] < width,
           "embed_plugin: a copied channel is outside of its row");
  return NULL;
}
