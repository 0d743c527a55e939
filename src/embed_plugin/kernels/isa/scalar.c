/* C alone: the reference for all others, and what every CPU can run. */
#define MOST_PANELS 1
#define ATTENDED_ROWS 4
#define ATTENDED_VECTORS 1
#include "scalar.h"

#include "../arithmetic/sums.h"

/* The weights of a group, the columns of each of its four rows side by side: loops over columns become vectors where the
 * compiler knows any. */
typedef int16_t Group[GROUP][LANES];

static void unpack_group(const int8_t *weights, Group group) {
  for (int k = 0; k < GROUP; k++)
    for (int column = 0; column < LANES; column++) group[k][column] = weights[column * GROUP + k];
}

static void add_group(int32_t sums[LANES], uint32_t four, Group group) {
  for (int k = 0; k < GROUP; k++) {
    const int16_t byte = (int16_t)(four >> 8 * k & 255);
    for (int column = 0; column < LANES; column++) sums[column] += byte * group[k][column];
  }
}

INLINE void sum_block(const Product *p, int64_t row, int64_t column, Sums sums, const int rows, const int panels) {
  (void)panels;
  const uint8_t *a = p->rows + row * p->depth;
  const int8_t *b = panel_at(p, column);
  for (int r = 0; r < rows; r++) sums[0][r] = all_ints(0);
  for (int64_t at = 0; at < p->depth; at += GROUP, b += LANES * GROUP) {
    Group group;
    unpack_group(b, group);
    for (int r = 0; r < rows; r++) add_group(sums[0][r].part, bytes_at(a + r * p->depth + at, p->depth - at), group);
  }
}

#include "../arithmetic/table.h"

TABLE(scalar_arithmetic, "scalar", multiply_all);
