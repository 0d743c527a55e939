/* Heads that turn by the position of their token, each normed before where a model does so. */
#pragma once

#include "sums_of_rows.h"

/* gamma * x / sqrt(mean(x ** 2) + epsilon) of one head; gamma may be null, for x. */
typedef struct {
  const float *x, *gamma;
  Floats factor;
} TurnedHead;

INLINE Floats channels_of(const TurnedHead *head, int64_t i, int64_t left) {
  const Floats x = load_first(head->x + i, left);
  return head->gamma ? multiply(multiply(x, head->factor), load_first(head->gamma + i, left)) : x;
}

INLINE void rotate_head(const Rotation *call, const float *x, int64_t token, float *y) {
  const int64_t half = call->size / 2;
  const float *cosines = call->cosines + token * half, *sines = call->sines + token * half;
  TurnedHead head = {x, call->gamma, all(1)};
  if (call->gamma)
    head.factor = all(1.0f / sqrtf(sum_of_squares(x, 0, call->size) / (float)call->size + call->epsilon));
  for (int64_t i = 0; i < half; i += LANES) {
    const int64_t left = half - i;
    const Floats first = channels_of(&head, i, left), second = channels_of(&head, half + i, left);
    const Floats cosine = load_first(cosines + i, left), sine = load_first(sines + i, left);
    store_first(y + i, subtract(multiply(first, cosine), multiply(second, sine)), left);
    store_first(y + half + i, add(multiply(first, sine), multiply(second, cosine)), left);
  }
}

static void rotate(const Rotation *call) {
  const int64_t width = call->heads * call->size;
  for (int64_t row = 0; row < call->texts * call->tokens; row++)
    for (int64_t at = row * width; at < (row + 1) * width; at += call->size)
      rotate_head(call, call->x + at, row % call->tokens, call->y + at);
}
