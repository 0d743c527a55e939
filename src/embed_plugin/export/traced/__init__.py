"""Graphs that optimum traces from torch."""
