"""Qdrant: one sink over two backends, qdrant-client and qdrant-edge."""
