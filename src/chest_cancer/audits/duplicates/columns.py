"""Columns of the table of groups of duplicates."""

GROUP_COLUMNS = ("group", "kind", "files", "path", "label", "source_split", "contradicting", "crosses_splits")
