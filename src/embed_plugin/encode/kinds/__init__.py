"""The classes for users that load models of other kinds than embedding models."""
