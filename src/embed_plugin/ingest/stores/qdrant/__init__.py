"""Qdrant: one sink over two engines."""
