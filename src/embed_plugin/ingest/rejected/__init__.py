"""Records that were rejected: the dead-letter file, and the way back from it."""
