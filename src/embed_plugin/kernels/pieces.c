#include "pieces.h"

#include <stdatomic.h>

/* Multiplications of which a piece is worth handing to another thread, and pieces for each thread: more than one, for some
 * threads begin late, or run on a slower core. */
enum { LEAST_WORK = 1 << 19, PIECES_EACH = 2 };

typedef struct {
  Piece *piece;
  const void *call;
  int64_t count, size; /* units, of all pieces and of one */
  atomic_int failed;
} Pieces;

static void do_piece(void *of, size_t index) {
  Pieces *pieces = of;
  const int64_t first = (int64_t)index * pieces->size, end = least(first + pieces->size, pieces->count);
  if (!pieces->piece(pieces->call, first, end)) atomic_store(&pieces->failed, 1);
}

OrtStatus *do_pieces(const Kernel *kernel, OrtKernelContext *context, Piece *piece, const void *call, int64_t count,
                     int64_t work, const char *no_memory) {
  if (count == 0) return NULL;
  const int64_t worth = work > 0 ? parts(LEAST_WORK, work) : LEAST_WORK;
  const int64_t even = parts(count, PIECES_EACH * kernel->threads);
  Pieces pieces = {.piece = piece, .call = call, .count = count, .size = worth > even ? worth : even};
  const int64_t found = kernel->threads > 1 ? parts(count, pieces.size) : 1;
  if (found == 1) {
    EXPECT(kernel, piece(call, 0, count), no_memory);
    return NULL;
  }
  TRY(ort_in_parallel(kernel->ort, context, do_piece, (size_t)found, &pieces));
  EXPECT(kernel, !atomic_load(&pieces.failed), no_memory);
  return NULL;
}
