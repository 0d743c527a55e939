"""Models that give something else than one vector of a text: a class for each kind, over the same runtime."""
