"""A prepared model on disk: its facts, its files, its identity, and where a hub id is kept."""
