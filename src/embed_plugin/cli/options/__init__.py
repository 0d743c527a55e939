"""Option groups: the options of the commands, and the settings they stand for."""
