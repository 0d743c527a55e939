"""Files, lines and objects to records."""
