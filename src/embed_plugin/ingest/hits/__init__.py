"""Choose among the hits of a search, and put their neighbours beside them."""
