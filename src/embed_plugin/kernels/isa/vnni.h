/* Products and attention with VNNI, whatever the width of a register: add_bytes and add_words come before this. */
#pragma once

#include "../arithmetic/sums.h"

/* The products of both halves, added to each lane. */
INLINE Ints add_pairs(Ints sums, Ints pairs, uint32_t pair) {
  OF_PARTS(Ints, add_words(sums.part[i_], pairs.part[i_], part_all_ints((int32_t)pair)))
}

/* Four products of each row and column. */
#define ADD_GROUP(bytes_of_row)                                                               \
  do {                                                                                        \
    UNROLL for (int j = 0; j < panels; j++) w[j] = load_ints(b + j * panel);                  \
    UNROLL for (int r = 0; r < rows; r++) {                                                   \
      const IntPart bytes = part_all_ints((int32_t)(bytes_of_row));                           \
      UNROLL for (int j = 0; j < panels; j++)                                                 \
        EACH_PART sums[j][r].part[i_] = add_bytes(sums[j][r].part[i_], bytes, w[j].part[i_]); \
    }                                                                                         \
  } while (0)

INLINE void sum_block(const Product *p, int64_t row, int64_t column, Sums sums, const int rows, const int panels) {
  const int64_t depth = p->depth, panel = panel_size(p);
  const uint8_t *a = p->rows + row * depth;
  const int8_t *b = panel_at(p, column);
  Ints w[MOST_PANELS];
  UNROLL
  for (int j = 0; j < panels; j++)
    UNROLL
    for (int r = 0; r < rows; r++) sums[j][r] = all_ints(0);
  int64_t at = 0;
  for (; at + GROUP <= depth; at += GROUP, b += LANES * GROUP) ADD_GROUP(bytes_at(a + r * depth + at, GROUP));
  if (at < depth) ADD_GROUP(bytes_at(a + r * depth + at, depth - at));
}

#include "../arithmetic/table.h"
