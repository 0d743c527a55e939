"""Read the tensors of a ``pytorch_model.bin`` without running the pickle inside it, and without torch."""
