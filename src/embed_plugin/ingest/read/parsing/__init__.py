"""Files that are parsed in a child process: its start, its limits and what it sends."""
