/* uint8 rows times int8 weights, exactly, with AMX.
 *
 * A tile of weights is 16 groups of a panel, as they lie in the file. Two tiles of rows by two panels are multiplied at a
 * time: four tiles of sums, two of rows and two of weights are all there are. The sums of one block are made results while
 * the next block is multiplied, for tiles and vectors are different units. */
#include "avx512_vnni.h"

#include "../scratch.h"
#include "tiles.h"

enum { ROWS_AT_ONCE = 4, BLOCK_ROWS = 2 * TILE_ROWS, BLOCK_COLUMNS = 2 * LANES, TILE_SIZE = TILE_ROWS * TILE_BYTES };

/* Rows of which each tile lies in one piece, filled up with zeros: rows of 388 bytes, as they are, would be read across the
 * cache's lines, at a sixth of the speed. */
typedef struct {
  uint8_t *bytes; /* [tiles of rows][depth_tiles][TILE_SIZE] */
  int64_t depth_tiles;
} TileRows;

/* Two panels; a last tile of them that is not whole is read from a copy, filled up with zeros. */
typedef struct {
  const int8_t *panels[2], *next;
  int8_t last[2][TILE_SIZE] __attribute__((aligned(64)));
} Weights;

/* The sums of one block, and where they belong. */
typedef struct {
  int32_t sums[2][BLOCK_ROWS][LANES] __attribute__((aligned(64))); /* by panel */
  int64_t row, rows, column, finished;
} TileBlock;

static void pack_tile_row(const Product *p, const TileRows *rows, int64_t row) {
  uint8_t *to = rows->bytes + row / TILE_ROWS * rows->depth_tiles * TILE_SIZE + row % TILE_ROWS * TILE_BYTES;
  for (int64_t at = 0; at < rows->depth_tiles * TILE_BYTES; at += TILE_BYTES, to += TILE_SIZE) {
    const int64_t left = row < p->row_count ? p->depth - at : 0;
    const __mmask64 there = left >= TILE_BYTES ? ~(__mmask64)0 : ((__mmask64)1 << left) - 1;
    _mm512_store_si512(to, _mm512_maskz_loadu_epi8(there, p->rows + row * p->depth + at));
  }
}

static void read_weights(const Product *p, int64_t column, Weights *weights) {
  const int64_t panel = parts(p->depth, GROUP) * LANES * GROUP, whole = p->depth / TILE_BYTES * TILE_SIZE;
  const int two = column + LANES < p->columns;
  weights->panels[0] = p->weights + column / LANES * panel;
  weights->panels[1] = weights->panels[0] + (two ? panel : 0);
  weights->next = column + BLOCK_COLUMNS < p->columns ? weights->panels[1] + panel : weights->panels[0];
  for (int i = 0; i < 2; i++) memcpy(weights->last[i], weights->panels[i] + whole, (size_t)(panel - whole));
}

/* One row, or four, which share the loads of the columns' constants. */
static inline __attribute__((always_inline)) void finish_rows(const Product *p, const TileBlock *block, const int rows) {
  const int64_t end = least(p->columns, block->column + BLOCK_COLUMNS), row = block->row + block->finished;
  for (int64_t first = block->column, j = 0; first < end; first += LANES, j++) {
    Ints sums[ROWS_AT_ONCE];
    for (int r = 0; r < rows; r++) sums[r] = load_ints(block->sums[j][block->finished + r]);
    store_results(p, sums, row, first, p->columns - first, rows);
  }
}

static inline void finish(const Product *p, TileBlock *block, int64_t rows) {
  const int64_t end = least(block->finished + rows, block->rows);
  for (; block->finished + ROWS_AT_ONCE <= end; block->finished += ROWS_AT_ONCE) finish_rows(p, block, ROWS_AT_ONCE);
  for (; block->finished < end; block->finished++) finish_rows(p, block, 1);
}

/* Multiply `block`, and finish the one before it. Meanwhile this block's part of the next panels is fetched: each of the
 * blocks of rows fetches `lines` lines of the cache for each tile of its depth. */
static void multiply_tiles(const Product *p, const TileRows *rows, const Weights *weights, TileBlock *block, TileBlock *before) {
  const int64_t depth_tiles = rows->depth_tiles, whole = p->depth / TILE_BYTES;
  const uint8_t *upper = rows->bytes + block->row / TILE_ROWS * depth_tiles * TILE_SIZE;
  const uint8_t *lower = upper + (block->rows > TILE_ROWS ? depth_tiles * TILE_SIZE : 0);
  const int64_t lines = parts(2 * TILE_ROWS, parts(p->row_count, BLOCK_ROWS));
  const int8_t *next = weights->next + block->row / BLOCK_ROWS * depth_tiles * lines * TILE_BYTES;
  const int64_t rows_each = parts(before->rows, depth_tiles);
  TILE_ZERO(0);
  TILE_ZERO(1);
  TILE_ZERO(2);
  TILE_ZERO(3);
  for (int64_t i = 0; i < depth_tiles; i++) {
    for (int64_t line = 0; line < lines; line++, next += TILE_BYTES) _mm_prefetch(next, _MM_HINT_T1);
    TILE_LOAD(4, upper + i * TILE_SIZE, TILE_BYTES);
    TILE_LOAD(6, i < whole ? weights->panels[0] + i * TILE_SIZE : weights->last[0], TILE_BYTES);
    TILE_ADD_INT8(0, 4, 6);
    TILE_LOAD(7, i < whole ? weights->panels[1] + i * TILE_SIZE : weights->last[1], TILE_BYTES);
    TILE_ADD_INT8(1, 4, 7);
    TILE_LOAD(5, lower + i * TILE_SIZE, TILE_BYTES);
    TILE_ADD_INT8(2, 5, 6);
    TILE_ADD_INT8(3, 5, 7);
    finish(p, before, rows_each);
  }
  TILE_STORE(0, block->sums[0][0], TILE_BYTES);
  TILE_STORE(1, block->sums[1][0], TILE_BYTES);
  TILE_STORE(2, block->sums[0][TILE_ROWS], TILE_BYTES);
  TILE_STORE(3, block->sums[1][TILE_ROWS], TILE_BYTES);
}

static void multiply_packed(const Product *p, const TileRows *rows) {
  Weights weights = {.last = {{0}}};
  TileBlock blocks[2] = {{.rows = 0}, {.rows = 0}};
  int now = 0;
  for (int64_t column = 0; column < p->columns; column += BLOCK_COLUMNS) {
    read_weights(p, column, &weights);
    for (int64_t row = 0; row < p->row_count; row += BLOCK_ROWS, now = !now) {
      TileBlock *block = &blocks[now];
      block->row = row, block->rows = least(p->row_count - row, BLOCK_ROWS);
      block->column = column, block->finished = 0;
      multiply_tiles(p, rows, &weights, block, &blocks[!now]);
    }
  }
  finish(p, &blocks[!now], BLOCK_ROWS);
}

static int multiply_by_tiles(const Product *p) {
  if (p->row_count == 0) return 1;
  TileRows rows = {.depth_tiles = parts(p->depth, TILE_BYTES)};
  const int64_t padded = parts(p->row_count, TILE_ROWS) * TILE_ROWS;
  rows.bytes = scratch(SCRATCH_ROWS, (size_t)(padded * rows.depth_tiles * TILE_BYTES));
  if (!rows.bytes) return multiply_all(p);
  for (int64_t row = 0; row < padded; row++) pack_tile_row(p, &rows, row);
  shape_tiles();
  multiply_packed(p, &rows);
  release_tiles();
  return 1;
}

TABLE(amx_arithmetic, "amx", multiply_by_tiles);
