"""Check a new model: against the fp32 one, its tokenizer, and a dataset."""
