"""Rewrite an fp32 graph to INT8: calibrate, choose ranges, quantise."""
