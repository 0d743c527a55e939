"""Collections by qdrant-edge, in a folder."""
