/* A row of floats as uint8. Each step has one result on every CPU: minimum and maximum are exact, the others are single
 * operations of IEEE 754. */
#pragma once

#include <math.h>

#include "lanes.h"

/* The scale of a row of zeros, so that its inverse is finite. */
#define SMALLEST_SCALE 1e-30f

typedef struct {
  Floats least, most;
} Range;

INLINE Range no_range(void) { return (Range){all(0), all(0)}; }

INLINE void widen(Range *range, Floats x, uint16_t quantised) {
  const Floats counted = quantised == 0xffff ? x : lanes_of(quantised, x);
  range->least = minimum(range->least, counted);
  range->most = maximum(range->most, counted);
}

INLINE Ints to_steps(Floats x, Floats inverse, Ints zero) { return add_ints(to_ints(multiply(x, inverse)), zero); }

/* Write a row, whose range is known. */
INLINE void quantise_within(const Kept *kept, const Range *range, const float *x, Rows out) {
  const int64_t width = kept->width;
  const float lowest = least_of(range->least), highest = most_of(range->most);
  const float steps = (highest - lowest) / STEPS, scale = steps > SMALLEST_SCALE ? steps : SMALLEST_SCALE;
  const Floats inverse = all(1 / scale);
  const float zero = rintf(-lowest * (1 / scale)); /* no int, which has no place for NaN */
  const Ints zeros = to_ints(all(zero));
  out.terms[SCALE] = scale;
  out.terms[MIDDLE] = scale * (CENTRE - zero);
  for (int64_t i = 0; i < kept->count; i++) out.terms[FIRST_KEPT + i] = x[kept->channels[i]];
  int64_t i = 0;
  for (; i + LANES <= width; i += LANES) store_bytes(out.bytes + i, to_steps(load(x + i), inverse, zeros));
  if (i == width) return;
  uint8_t last[LANES];
  store_bytes(last, to_steps(load_first(x + i, width - i), inverse, zeros));
  memcpy(out.bytes + i, last, (size_t)(width - i));
}

static void quantise_row(const Kept *kept, const float *x, Rows out) {
  Range even = no_range(), odd = even;
  int64_t i = 0;
  for (; i + 2 * LANES <= kept->width; i += 2 * LANES) {
    widen(&even, load(x + i), kept->quantised[i / LANES]);
    widen(&odd, load(x + i + LANES), kept->quantised[i / LANES + 1]);
  }
  for (; i < kept->width; i += LANES) widen(&even, load_first(x + i, kept->width - i), kept->quantised[i / LANES]);
  const Range range = {minimum(even.least, odd.least), maximum(even.most, odd.most)};
  quantise_within(kept, &range, x, out);
}

static void quantise(const Kept *kept, const float *x, int64_t count, Rows out) {
  for (int64_t r = 0; r < count; r++) quantise_row(kept, x + r * kept->width, after(out, kept, r));
}
