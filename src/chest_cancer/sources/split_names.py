"""The names of splits, and those that people give to them, as folders and in tables."""

import re

SPLITS = ("train", "validation", "test")
"""What the images that are used are for; a split table also has rows of copies and leaks."""
_SPLITS = {
    "train": "train",
    "training": "train",
    "valid": "validation",
    "val": "validation",
    "validation": "validation",
    "validate": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
_FILLERS = {"set", "data", "dataset", "images", "image", "imgs", "split", "folder"}


def words(name: str) -> list[str]:
    """Words of a name in lower case, whatever stands between them."""
    return [word for word in re.split(r"[\W_]+", name.casefold()) if word]


def split_of(name: str) -> str | None:
    """Tell which split a name stands for, in any case, with or without `set` or `data`; None: no split."""
    word = "".join(word for word in words(name) if word not in _FILLERS)
    return _SPLITS.get(word) or _SPLITS.get(re.sub(r"(?:data)?set$|data$", "", word))
