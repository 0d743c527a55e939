"""Read what a checkpoint of a kind other than embedding says about its output."""
