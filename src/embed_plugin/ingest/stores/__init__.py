"""Stores of chunks: the port, the layout of payloads, and a folder for each database."""
