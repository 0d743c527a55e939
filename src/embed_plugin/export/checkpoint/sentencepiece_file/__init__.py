"""Build a tokenizer from a SentencePiece file, without the packages sentencepiece and protobuf."""
