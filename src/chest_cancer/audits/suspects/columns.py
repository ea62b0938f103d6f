"""Columns of the table of suspects."""

COLUMNS = (
    "rank",
    "path",
    "label",
    "instead",
    "reasons",
    "probability",
    "distance",
    "split",
    "files",
    "pixel_sha256",
)
"""`instead`: the most probable class of a label that may be wrong; `probability`: that of the label, out of fold;
`distance`: from images of other folds; `files`: copies, this one included."""
