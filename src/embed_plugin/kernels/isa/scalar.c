/* C alone: the reference for all others, and what every CPU can run. */
#define MOST_PANELS 1
#define ATTENDED_ROWS 4
#define ATTENDED_VECTORS 1
#include "scalar.h"

#include "../arithmetic/sums.h"

static void add_group(Ints *sums, const int8_t *weights, const uint8_t bytes[GROUP]) {
  for (int column = 0; column < LANES; column++)
    for (int k = 0; k < GROUP; k++) sums->part[column] += bytes[k] * weights[column * GROUP + k];
}

INLINE void sum_block(const Product *p, int64_t row, int64_t column, Sums sums, const int rows, const int panels) {
  (void)panels;
  for (int r = 0; r < rows; r++) {
    const uint8_t *a = p->rows + (row + r) * p->depth;
    const int8_t *b = panel_at(p, column);
    sums[0][r] = all_ints(0);
    for (int64_t at = 0; at < p->depth; at += GROUP, b += LANES * GROUP) {
      const uint32_t four = bytes_at(a + at, p->depth - at);
      const uint8_t bytes[GROUP] = {four & 255, four >> 8 & 255, four >> 16 & 255, four >> 24};
      add_group(&sums[0][r], b, bytes);
    }
  }
}

#include "../arithmetic/table.h"

TABLE(scalar_arithmetic, "scalar", multiply_all);
