"""Chest CT slices to a VGG16 classifier, numbers that can be believed, an experiment record and a web page."""

__version__ = "0.1.0"
