"""The HTTP routes: requests, responses and their schemas."""
