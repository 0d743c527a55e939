"""Collections by qdrant-client: of a server, of a folder, in memory."""
