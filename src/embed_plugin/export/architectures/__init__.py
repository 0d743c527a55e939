"""Graphs written straight from the weights: one file a family."""
