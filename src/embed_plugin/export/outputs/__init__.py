"""The ends of a graph: what becomes of token vectors."""
