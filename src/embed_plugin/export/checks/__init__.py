"""Comparisons of a new model: with the fp32 one, with its tokenizer, with what it found before."""
