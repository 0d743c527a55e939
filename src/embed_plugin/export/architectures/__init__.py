"""Graphs written straight from the weights: one file an architecture, listed in :mod:`.registry`."""
