"""Documents: each format is read by one module, in the parser process."""
