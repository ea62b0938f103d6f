"""Leakage: how much of a score is memory."""
