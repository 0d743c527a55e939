"""One window of records: compare it with what is stored, embed what is new, store it."""
