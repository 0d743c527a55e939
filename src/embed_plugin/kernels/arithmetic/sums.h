/* The sums of a block of a product. */
#pragma once

#include "lanes.h"

enum { MOST_ROWS = 6 };

typedef Ints Sums[MOST_PANELS][MOST_ROWS];

/* The first panel of columns from `column` on, and the bytes of one. */
static inline int64_t panel_size(const Product *p) { return parts(p->depth, GROUP) * LANES * GROUP; }
static inline const int8_t *panel_at(const Product *p, int64_t column) {
  return p->weights + column / LANES * panel_size(p);
}

/* Up to four bytes of a row, and zeros. */
static inline uint32_t bytes_at(const uint8_t *from, int64_t left) {
  uint32_t bytes = 0;
  memcpy(&bytes, from, left >= GROUP ? GROUP : (size_t)left);
  return bytes;
}
