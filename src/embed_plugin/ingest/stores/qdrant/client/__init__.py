"""Collections by qdrant-client: of a server, in a folder, or in memory."""
