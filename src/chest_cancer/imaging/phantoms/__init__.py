"""Synthetic chest CT slices, drawn by a computer, with a mask for every tumour."""
