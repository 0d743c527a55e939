/* NEON with the dot product of uint8 and int8, which comes with the instructions for matrices of int8. */
#define MOST_PANELS 1
#define ATTENDED_ROWS 4
#define ATTENDED_VECTORS 1
#include "neon.h"

#include "../arithmetic/sums.h"

typedef uint8x16_t Factors;

INLINE Factors factors_of(uint8x16_t bytes) { return bytes; }
INLINE Factors last_factors(const uint8_t *from, int64_t left) {
  return vreinterpretq_u8_u32(vdupq_n_u32(bytes_at(from, left)));
}

INLINE Ints sums_before(const Product *p, int64_t column) { return (void)p, (void)column, all_ints(0); }

#define ADD_BYTES(sums, weights, factors, four) vsudotq_laneq_s32(sums, weights, factors, four)

#include "neon_product.h"

#include "../arithmetic/table.h"

TABLE(i8mm_arithmetic, "i8mm", multiply_all);
