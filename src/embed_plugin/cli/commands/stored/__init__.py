"""Commands on what is stored, which need no model."""
