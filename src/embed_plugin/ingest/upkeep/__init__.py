"""Maintenance of a collection: mirror its source, verify it, migrate it to another model."""
