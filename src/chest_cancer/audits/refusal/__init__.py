"""Refusal: what the classifier takes for no chest CT."""
