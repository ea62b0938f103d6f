"""Audits: what makes figures too good, and what a classifier looks at, refuses and is moved by."""
