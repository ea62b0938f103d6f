"""Regions: where in an image the information is, by blacking parts of it out."""
