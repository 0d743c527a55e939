#include "pack.h"

/* Turn rows of pairs into columns: in each quarter of the vectors first, then the quarters. */
static inline void transpose(__m512i rows[LANES]) {
  __m512i t[LANES];
  for (int i = 0; i < 8; i++) {
    t[2 * i] = _mm512_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
  }
  for (int i = 0; i < 4; i++) {
    rows[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
    rows[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
    rows[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
    rows[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
  }
  for (int i = 0; i < 4; i++) {
    t[i] = _mm512_shuffle_i32x4(rows[i], rows[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(rows[i], rows[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(rows[i + 8], rows[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(rows[i + 8], rows[i + 12], 0xdd);
  }
  for (int i = 0; i < 4; i++) {
    rows[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    rows[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    rows[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
    rows[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
  }
}

/* One of the lower half, one of the upper half, and so on. */
static const uint16_t interleave[2 * LANES] __attribute__((aligned(64))) = {
    0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
    8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};

/* Keys past the last are 0, which is as good as anything that is finite. */
void pack_keys(const PackedHead *head, const float *keys, int64_t stride, int size) {
  for (int64_t j = 0; j < head->padded; j += LANES)
    for (int c = 0; c < size; c += 2 * LANES) {
      __m512i rows[LANES];
      for (int i = 0; i < LANES; i++) {
        const float *key = keys + (j + i) * stride + c;
        rows[i] = j + i < head->count ? to_bf16(_mm512_loadu_ps(key), _mm512_loadu_ps(key + LANES))
                                      : _mm512_setzero_si512();
      }
      transpose(rows);
      for (int i = 0; i < LANES; i++) _mm512_store_si512(head->keys + (c / 2 + i) * head->padded + j, rows[i]);
    }
}

/* Values past the last are 0, and so are their shares or something tiny. */
void pack_values(const PackedHead *head, const float *values, int64_t stride, int size) {
  const __m512i interleaved = _mm512_load_si512(interleave);
  for (int64_t j = 0; j < head->padded; j += 2) {
    const float *first = values + j * stride, *second = first + stride;
    for (int c = 0; c < size; c += LANES) {
      const Floats one = j < head->count ? _mm512_loadu_ps(first + c) : all(0);
      const Floats two = j + 1 < head->count ? _mm512_loadu_ps(second + c) : all(0);
      const __m512i pairs = _mm512_permutexvar_epi16(interleaved, to_bf16(one, two));
      _mm512_store_si512(head->values + j / 2 * size + c, pairs);
    }
  }
}
