/* One call in pieces, which the threads of its session do beside each other. */
#pragma once

#include "tensor.h"

/* Do the units from `first` to before `end`; returns 0 if there is no memory. Units give the same bits in any pieces. */
typedef int Piece(const void *call, int64_t first, int64_t end);

/* Do `count` units of `work` multiplications each, in as many pieces as pay: one, where the session has one thread. The work
 * decides nothing else, so an estimate is enough. Returns an error with this message if there is no memory for a piece. */
OrtStatus *do_pieces(const Kernel *kernel, OrtKernelContext *context, Piece *piece, const void *call, int64_t count,
                     int64_t work, const char *no_memory);
