"""The formats of files: one file a format."""
