"""Cut records into chunks."""
