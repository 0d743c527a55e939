"""BERT, and the encoders that differ from it in names, embeddings or a bias by distance."""
