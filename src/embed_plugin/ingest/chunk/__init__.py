"""Records to chunks."""
