/* Memory that a thread keeps from one call to the next: fresh pages from Linux cost more than what is done with them. */
#pragma once

#include <stddef.h>

/* What it is for: what is used at the same time needs memory of its own. */
enum { SCRATCH_RESULTS, SCRATCH_ROWS, SCRATCH_HEAD, SCRATCH_USES };

/* Bytes, aligned to 64, for the calling thread until it asks for the same use again; null if there are none. Their content
 * is undefined. */
void *scratch(int use, size_t bytes);
