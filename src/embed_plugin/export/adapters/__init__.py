"""Merge an adapter into a checkpoint's weights as they are read."""
