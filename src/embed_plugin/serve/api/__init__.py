"""The routes and what they take and give."""
