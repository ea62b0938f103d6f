"""Phantoms that tests look at, each of them drawn once."""

from functools import cache

import pytest

from chest_cancer.imaging.phantoms import generate
from chest_cancer.imaging.phantoms.anatomy import draw_anatomy
from chest_cancer.imaging.phantoms.generate import Phantom, generate_phantom

anatomy_of = cache(draw_anatomy)


@cache
def phantom(label: str, seed: int, patient: int, number: int = 0, signature: float = 1.0) -> Phantom:
    """A phantom; the anatomy, which takes the longest, is drawn once for those that differ in their label alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generate, "draw_anatomy", anatomy_of)
        return generate_phantom(label, seed, patient, number, signature)
