"""Deletion: what near-duplicates of tested images in training are worth, by taking them out."""
