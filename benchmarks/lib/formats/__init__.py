"""Files of other engines, written from a checkpoint: each of these is read by one contender."""
