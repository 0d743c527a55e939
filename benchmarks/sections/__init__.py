"""The parts of the side-by-side result: each file measures one and returns plain figures for JSON."""
