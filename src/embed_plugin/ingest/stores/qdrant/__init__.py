"""Qdrant: one sink over two backends."""
