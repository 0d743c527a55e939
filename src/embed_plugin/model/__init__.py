"""A prepared model on disk: its facts, its files, its identity, and the cache of models by hub id."""
