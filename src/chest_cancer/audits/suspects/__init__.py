"""Suspects: images that somebody should look at, and labels that may be wrong."""
