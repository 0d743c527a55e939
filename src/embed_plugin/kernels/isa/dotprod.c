/* NEON with the dot product of int8 and int8. A row's bytes are uint8: 128 is taken from each, and its products with all
 * weights are there before the first sum. */
#define MOST_PANELS 1
#define ATTENDED_ROWS 4
#define ATTENDED_VECTORS 1
#include "neon.h"

#include "../arithmetic/sums.h"

typedef int8x16_t Factors;

static const uint8_t centre[GROUP] = {CENTRE, CENTRE, CENTRE, CENTRE};

INLINE Factors factors_of(uint8x16_t bytes) { return vreinterpretq_s8_u8(veorq_u8(bytes, vdupq_n_u8(CENTRE))); }

/* Past the last byte they are 0, whatever the weights are there. */
INLINE Factors last_factors(const uint8_t *from, int64_t left) {
  return vreinterpretq_s8_u32(vdupq_n_u32(bytes_at(from, left) ^ bytes_at(centre, left)));
}

INLINE Ints sums_before(const Product *p, int64_t column) {
  const Ints correction = load_first_ints(p->correction + column, p->columns - column);
  OF_PARTS(Ints, vnegq_s32(correction.part[i_]))
}

#define ADD_BYTES(sums, weights, factors, four) vdotq_laneq_s32(sums, weights, factors, four)

#include "neon_product.h"

#include "../arithmetic/table.h"

TABLE(dotprod_arithmetic, "dotprod", multiply_all);
