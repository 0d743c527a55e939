"""The layers that architectures share: attention by rule, rotations, norms, activations."""
