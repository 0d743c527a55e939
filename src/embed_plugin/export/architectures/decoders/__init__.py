"""Decoders, whose last token, or the mean of all, is a text's vector."""
