"""Copies: files that show the same slice, or nearly."""
