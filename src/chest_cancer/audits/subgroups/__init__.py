"""Subgroups: for whom the figures do not hold."""
