"""Shortcuts: what can be scored without seeing anatomy."""
