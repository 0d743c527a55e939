"""A checkpoint: fetch it, and read what its files say."""
