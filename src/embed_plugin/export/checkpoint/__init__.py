"""Fetch a checkpoint, read its description once, and choose from it the output, token limit, prefixes and tokenizer."""
