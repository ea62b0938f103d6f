"""Audits: what makes figures too good, what a classifier looks at, what it refuses, and what changes its answers."""
