"""Serve collections to agents by the Model Context Protocol, read-only."""
