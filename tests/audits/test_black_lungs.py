"""The audit of black lungs: a window for soft tissue is noticed, a lung window is not."""

from collections.abc import Callable
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from chest_cancer.audits.black_lungs.audit import audit_black_lungs
from chest_cancer.audits.sample import look_at, sample_images
from chest_cancer.imaging.body import measure_black
from chest_cancer.imaging.phantoms.generate import generate_phantom
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.parameters.values import Window
from chest_cancer.sources.image_folder import ImageFolder

PARAMETERS = ModelEvaluationParameters(bootstrap_repetitions=100)

phantom = cache(generate_phantom)

LUNG_WINDOWS = (0, 1, 2, 4, 7)
"""Phantoms whose lungs the cut below makes black; those of number 3 are too light for it."""


def slice_of(index: int, level: int = 0) -> np.ndarray:
    """A phantom; with a level, what lies below it is cut off as a window for soft tissue does."""
    grey = phantom("normal", 5, index).image.astype(int)
    cut = np.clip((grey - level) * 255 // (255 - level), 0, 255).astype(np.uint8)
    return np.stack([cut] * 3, axis=-1)


def black(pixels: np.ndarray) -> float:
    return measure_black(Image.fromarray(pixels).convert("L"))


def png(pixels: np.ndarray) -> bytes:
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def audit(folder: ImageFolder, window: Window = "lung") -> dict[str, Any]:
    """Audit images in a folder for each class, none of which is of the group of another."""
    paths = sorted(folder.paths)
    table = pd.DataFrame(
        {"path": paths, "label": [path[0] for path in paths], "group": range(len(paths)), "pixel_sha256": paths}
    )
    embedded = {"pixel_sha256": np.array(paths), "embedding": np.zeros((len(paths), 8), np.float32)}
    sample = sample_images(table, embedded, 0)
    return audit_black_lungs(sample, look_at(folder, sample, window), PARAMETERS, 0).facts


@pytest.mark.parametrize("index", LUNG_WINDOWS)
def test_lungs_are_black_only_where_a_window_cuts_them_off(index: int) -> None:
    assert black(slice_of(index)) < 0.05
    assert black(slice_of(index, 120)) > 0.2


@pytest.mark.parametrize("level", [0, 90, 255])
def test_a_picture_without_a_body_has_none_that_is_black(level: int) -> None:
    assert black(np.full((50, 40, 3), level, np.uint8)) in (0.0, 1.0 if level == 0 else 0.0)


def test_pictures_with_black_lungs_are_counted_by_class_and_said(
    image_folder: Callable[[dict[str, bytes]], ImageFolder],
) -> None:
    levels = {"a": 120, "b": 0}
    files = {f"{label}/{n}.png": png(slice_of(n, levels[label] * (n < 4))) for label in levels for n in LUNG_WINDOWS}

    facts = audit(image_folder(files))

    assert {name: (figure["value"], figure["n"]) for name, figure in facts["classes"].items()} == {
        "a": (0.6, 5),
        "b": (0.0, 5),
    }
    (found,) = facts["limitations"]
    assert found["title"] == "Black lungs"
    assert found["text"].startswith(
        "In 0.60 [0.23, 0.88] of the pictures of a (n 5) a fifth of the body or more is black"
    )


def test_pictures_in_a_lung_window_are_no_limitation(
    image_folder: Callable[[dict[str, bytes]], ImageFolder],
) -> None:
    files = {f"a/{n}.png": png(slice_of(n)) for n in LUNG_WINDOWS[:3]}

    assert audit(image_folder(files))["limitations"] == []


def test_slices_are_looked_at_through_the_window_of_the_network(
    image_folder: Callable[[dict[str, bytes]], ImageFolder],
) -> None:
    files = {}
    for number in LUNG_WINDOWS[:3]:
        file = BytesIO()
        hounsfield = np.interp(slice_of(number)[..., 0], [0, 120, 255], [-1000, -160, 240])
        Image.fromarray(hounsfield.astype(np.float32)).save(file, "TIFF")
        files[f"a/{number}.tiff"] = file.getvalue()

    black = {window: audit(image_folder(files), window)["classes"]["a"]["value"] for window in ("lung", "mediastinum")}

    assert black == {"lung": 0.0, "mediastinum": 1.0}
