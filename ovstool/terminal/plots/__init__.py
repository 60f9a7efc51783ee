"""Plots of recordings: the contents of a picture, drawn with characters or as an image."""
