"""What is made from the same as what is already there is not made again."""

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from chest_cancer.storage.atomic import replace_file

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


@dataclass(frozen=True)
class Recipe(Generic[Result]):
    """How a result is made, and what decides what it is.

    Attributes:
        made_from: All that decides what comes out: digests, versions, names.
        make: Makes it; called only where it isn't there.
    """

    made_from: dict[str, str]
    make: Callable[[], Result]


def follow(recipe: Recipe[Result], path: Path, save: Callable[[Result], None]) -> None:
    """Make and save a result, unless its file is there, was made from the same, and is as it was made.

    Args:
        recipe: How it is made.
        path: Its file; what it was made from, and its digest, are kept in a hidden file beside it.
        save: Called with the result, to write the file.
    """
    note = path.with_name(f".{path.name}.json")
    if path.is_file() and _read(note) == _note(recipe, path):
        logger.info("%s is here already, made from the same.", path)
        return
    save(recipe.make())
    with replace_file(note) as temporary:
        temporary.write_text(json.dumps(_note(recipe, path), indent=1))


def _note(recipe: Recipe[Result], path: Path) -> dict[str, object]:
    with path.open("rb") as file:
        return {"made_from": recipe.made_from, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _read(note: Path) -> object:
    """What a note says; None where there is none that can be read."""
    try:
        return json.loads(note.read_text())
    except (OSError, ValueError):
        return None
