"""Small random checkpoints as transformers saves them, and the vectors that sentence-transformers makes with them.

`make references` writes them anew: a folder a family, and the two tokenizers that they share. `make references-late`
writes those of late interaction alone, with the token vectors of PyLate.
"""
