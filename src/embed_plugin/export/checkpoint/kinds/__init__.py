"""Read what a checkpoint of another kind than embedding models has: a head, a prompt."""
