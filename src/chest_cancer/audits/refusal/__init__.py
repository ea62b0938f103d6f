"""Refusal: what the classifier declines because it is no chest CT."""
