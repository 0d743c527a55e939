"""Small random rerankers in the layout of published ones, and what sentence-transformers makes of pairs."""
