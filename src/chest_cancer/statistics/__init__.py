"""Figures and how sure they are: intervals, comparisons, cross-validation, groups."""
