"""Where chunks are stored: the port, what a payload looks like, and a folder for each database."""
