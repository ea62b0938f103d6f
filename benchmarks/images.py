"""The images that both sides of a comparison get."""

import shutil
import zipfile
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from chest_cancer.imaging.phantoms.generate import generate_phantoms

SEED = 17


class Source(NamedTuple):
    """Labelled images.

    Attributes:
        name: In words.
        location: For `data_ingestion.source`.
        folder: The same as a folder of class folders.
    """

    name: str
    location: Path
    folder: Path


def phantoms(folder: Path, count: int) -> Source:
    """Draw synthetic slices into a folder."""
    drawn = generate_phantoms(("normal", "adenocarcinoma"), count, SEED)
    for number, phantom in enumerate(drawn):
        path = folder / phantom.label / f"{number:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(phantom.image).save(path, compress_level=1)
    return Source(f"{count} phantoms: synthetic slices", folder, folder)


def archive(path: Path, folder: Path) -> Source:
    """Unpack a zip of class folders."""
    with zipfile.ZipFile(path) as packed:
        packed.extractall(folder)  # the user's own file, named on the command line
    first = next(file for file in sorted(folder.rglob("*")) if file.is_file())
    classes = first.parents[1]
    return Source(f"the {sum(1 for _ in classes.glob('*/*'))} files of {path.name}", path.resolve(), classes)


def clear(folder: Path) -> Path:
    """Make an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
