"""Small random checkpoints as transformers saves them, and the vectors that sentence-transformers makes with them.

`make references` writes them anew: a folder a family, and the two tokenizers that they share. `make_late.py` writes
those of late interaction, with the token vectors of PyLate.
"""
