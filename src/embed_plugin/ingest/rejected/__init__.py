"""Rejected records: the dead-letter file, written and read back."""
