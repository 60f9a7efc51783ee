"""Recordings drawn: what is in a picture, and as characters or as an image."""
