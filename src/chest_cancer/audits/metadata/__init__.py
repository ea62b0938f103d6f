"""Metadata: how much sex, age, scanner or site alone say of the class."""
