"""Synthetic slices to try the page with where the model knows such ones, files under `static/samples`.

They are drawn anew by `.venv/bin/python -c 'import app.samples; app.samples.draw_samples()'`.
"""

import io
from dataclasses import dataclass
from pathlib import Path

from app.uploads import Upload
from chest_cancer.network.manifest import Manifest

FOLDER = Path(__file__).parent / "static" / "samples"

_SEED = 2026  # not the seed of any training set: the model has not seen these


@dataclass(frozen=True)
class Sample:
    """A phantom.

    Attributes:
        label: Its class.
        index: Its patient's number within the seed's set.
    """

    label: str
    index: int

    @property
    def filename(self) -> str:
        """Its file."""
        return f"{self.label}_{self.index}.png"

    def read(self) -> Upload:
        """Read it as if it had been uploaded."""
        return Upload((FOLDER / self.filename).read_bytes(), self.filename)


SAMPLES = {
    sample.filename: sample
    for sample in (Sample("normal", 1), Sample("adenocarcinoma", 2), Sample("normal", 3), Sample("adenocarcinoma", 4))
}


def samples_of(manifest: Manifest) -> dict[str, Sample]:
    """Return the samples that a model can be asked about, by file: phantoms of its classes, if it learnt from such."""
    known = manifest.classes if manifest.data.synthetic else ()
    return {filename: sample for filename, sample in SAMPLES.items() if sample.label in known}


def draw_samples() -> None:
    """Draw every sample, in place of those that are there."""
    from PIL import Image

    from chest_cancer.imaging.phantoms.generate import generate_phantom

    for old in FOLDER.glob("*.png"):
        old.unlink()
    for sample in SAMPLES.values():
        phantom = Image.fromarray(generate_phantom(sample.label, _SEED, sample.index).image)
        phantom.thumbnail((320, 320))
        file = io.BytesIO()
        phantom.save(file, "PNG", optimize=True)
        (FOLDER / sample.filename).write_bytes(file.getvalue())
