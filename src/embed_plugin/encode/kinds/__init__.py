"""The models that give other results than one vector a text, a class each."""
