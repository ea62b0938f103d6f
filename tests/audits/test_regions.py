"""The audit of regions: information is found where it was planted, on images with lungs, and its passes are stored."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from chest_cancer.audits.audit import Finding, node_of
from chest_cancer.audits.regions.audit import audit_regions, find_limitations
from chest_cancer.audits.regions.blackening import REGIONS, blacken
from chest_cancer.audits.regions.measuring import compare_regions
from chest_cancer.audits.regions.words import describe_regions
from chest_cancer.audits.registry import AUDITS
from chest_cancer.imaging.chest import find_chest
from chest_cancer.imaging.pixels import pixel_digest
from chest_cancer.imaging.standardise import standardise
from chest_cancer.parameters.blocks import (
    FeatureExtractionParameters,
    ModelEvaluationParameters,
    StandardisationParameters,
)
from chest_cancer.reporting.templates import AuditedPart, fill_sections
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.storage.feature_store import FeatureStore
from conftest import write_images
from imaging.test_chest import LEFT, RIGHT, drawn, of_picture
from pipelines.test_feature_extraction import png, small_base

PARAMETERS = ModelEvaluationParameters(bootstrap_repetitions=100, regions=True)
EXTRACTION = FeatureExtractionParameters(precision="fp32", batch_size=8)
Pixels = np.ndarray


@pytest.fixture(scope="module", autouse=True)
def a_single_draw_of_the_folds() -> Iterator[None]:
    """What is tested here does not hang on a score's third digit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("chest_cancer.audits.regions.measuring.repeats_for", lambda _: 1)
        yield


@pytest.mark.parametrize("crop", ["none", "body"])
def test_regions_are_parts_of_the_networks_input(crop: str) -> None:
    pixels = drawn()
    whole = standardise(pixels, StandardisationParameters.model_validate({"crop": crop}))

    left = blacken(whole, find_chest(of_picture(pixels)))

    assert list(left) == list(REGIONS)
    np.testing.assert_array_equal(left["whole"], whole.pixels)
    np.testing.assert_array_equal(left["body"], np.maximum(left["without lungs"], left["lungs"]))
    assert not np.minimum(left["without lungs"], left["lungs"]).any()
    corner, wall, lung = (0, 0), (112, 6 if crop == "body" else 20), (112, 64)
    assert [left[name][corner].any() for name in REGIONS] == [True, False, False, False]
    assert [left[name][wall].any() for name in REGIONS] == [True, True, True, False]
    assert [left[name][lung].any() for name in REGIONS] == [True, True, False, True]


def planted(seed: int, *, in_lungs: bool) -> dict[str, dict[str, Any]]:
    """What is found where the class shows in one region, and in none that is without it."""
    generator = np.random.default_rng(seed)
    numbers = np.arange(80) // 2 % 2
    own = {"whole", "lungs" if in_lungs else "without lungs"}
    embeddings = {
        name: generator.standard_normal((80, 8)) + 1.2 * numbers[:, None] * (np.arange(8) < 2) * (name in own)
        for name in ("whole", "without lungs", "lungs")
    }
    rows = compare_regions(embeddings, numbers, np.arange(80) // 2, PARAMETERS, seed)
    return {row["name"]: row for row in rows}


def test_information_is_found_where_it_lies_and_nowhere_else() -> None:
    outside, inside = ([planted(seed, in_lungs=lies_there) for seed in range(20)] for lies_there in (False, True))

    assert sum(rows["without lungs"]["roc_auc"]["low"] > 0.5 for rows in outside) >= 18
    assert sum(rows["without lungs"]["roc_auc"]["low"] > 0.5 for rows in inside) <= 2
    assert sum(rows["without lungs"]["less"]["low"] > 0 for rows in inside) >= 18
    assert sum(rows["lungs"]["less"]["low"] > 0 for rows in inside) <= 2


def image(generator: np.random.Generator, *, spot_in: str) -> Pixels:
    """A chest with a bright spot in a lung or a dark one in the wall; without lungs where `spot_in` is none."""
    pixels = drawn()
    pixels[:] = np.clip(pixels + generator.normal(0, 6, pixels.shape[:2])[..., None], 0, 255)
    row = int(generator.integers(110, 140))
    if spot_in == "lung":
        pixels[row - 12 : row + 12, 65:90] = 180
    elif spot_in == "wall":
        pixels[row - 12 : row + 12, 120:136] = 150
    elif spot_in == "no lungs":
        pixels[RIGHT | LEFT] = 230
    return pixels


def files_of(spots: dict[str, list[str]]) -> dict[str, Pixels]:
    generator = np.random.default_rng(4)
    return {
        f"{label}/{number}.png": image(generator, spot_in=spot)
        for label, each in spots.items()
        for number, spot in enumerate(each)
    }


def audit(folder: Path, spots: dict[str, list[str]]) -> Finding:
    """Audit images in a folder, which keeps the passes."""
    files = files_of(spots)
    images = write_images(folder / "images", {path: png(pixels) for path, pixels in files.items()})
    table = pd.DataFrame(
        {
            "path": list(files),
            "label": [path.split("/")[0] for path in files],
            "pixel_sha256": [pixel_digest(pixels) for pixels in files.values()],
            "group": range(len(files)),
        }
    )
    return audit_regions(images, table, small_base(), FeatureStore(folder / "store", 30), EXTRACTION, PARAMETERS, 0)


IN_LUNG = {"normal": ["none"] * 15 + ["no lungs"], "tumour": ["lung"] * 15}
IN_WALL = {"normal": ["none"] * 15, "tumour": ["wall"] * 15}


@pytest.fixture(scope="module")
def audited_in_lung(tmp_path_factory: pytest.TempPathFactory) -> tuple[Finding, list[str]]:
    """What was found, and the files that were read for it."""
    read: list[str] = []
    decoded = ImageFolder.decoded
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ImageFolder, "decoded", lambda folder, path, *_: read.append(path) or decoded(folder, path))
        return audit(tmp_path_factory.mktemp("in_lung"), IN_LUNG), read


@pytest.fixture(scope="module")
def in_lung(audited_in_lung: tuple[Finding, list[str]]) -> Finding:
    return audited_in_lung[0]


@pytest.fixture(scope="module")
def read_in_lung(audited_in_lung: tuple[Finding, list[str]]) -> list[str]:
    return audited_in_lung[1]


def test_an_image_is_read_to_find_its_lungs_and_once_more_for_all_its_regions(read_in_lung: list[str]) -> None:
    counts = {path: read_in_lung.count(path) for path in read_in_lung}
    assert counts.pop("normal/15.png") == 1  # has no lungs
    assert sorted(counts.values()) == [2] * 29 + [3]  # and one is shown


@pytest.fixture(scope="module")
def in_wall(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Finding]:
    """What was found, and the folder with its passes."""
    folder = tmp_path_factory.mktemp("in_wall")
    return folder, audit(folder, IN_WALL)


def test_a_spot_in_a_lung_is_told_from_the_lungs_alone(in_lung: Finding) -> None:
    facts, plots, _ = in_lung

    areas = {row["name"]: row["roc_auc"] for row in facts["regions"]}
    assert areas["whole"]["value"] > 0.9
    assert areas["lungs"]["low"] > 0.5
    assert areas["without lungs"]["low"] <= 0.5
    assert facts["sentence"].startswith("With the lungs blacked out the AUC is 0.")
    assert "lies in the lungs. They alone have" in facts["sentence"]
    assert facts["limitations"] == []
    # One of sixteen shows no lungs, is left out, and is said.
    assert {name: (round(each["value"], 2), each["n"]) for name, each in facts["without_lungs"].items()} == {
        "normal": (0.06, 16),
        "tumour": (0.0, 15),
    }
    assert {row["roc_auc"]["n"] for row in facts["regions"]} == {30}
    assert [trace.y[0] for trace in plots["regions"].data] == list(REGIONS.values())[::-1]


def test_a_spot_in_the_wall_is_a_limitation(in_wall: tuple[Path, Finding]) -> None:
    facts = in_wall[1].facts

    (found,) = facts["limitations"]
    assert found["title"] == "Where the information is"
    assert found["text"].startswith("With the lungs blacked out the AUC is still 0.")
    assert "the classes can be told apart by something other than the lungs" in found["text"]


def test_passes_are_stored_and_the_whole_image_is_that_of_the_features(
    in_wall: tuple[Path, Finding], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    folder, first = in_wall

    again = audit(folder, IN_WALL)

    assert "Features of 120 regions of images: 0 computed, 120 reused." in caplog.messages
    assert again.facts == first.facts
    files = [np.load(path) for path in (folder / "store").rglob("*.npy")]
    views = np.concatenate([file["view"] for file in files])
    assert np.count_nonzero(views == b"") == 30
    assert len(np.unique(views)) == len(REGIONS)


def test_facts_are_json_and_the_section_shows_what_was_blacked_out(in_lung: Finding) -> None:
    facts, plots, _ = in_lung

    assert json.loads(json.dumps(facts)) == facts
    (section,) = fill_sections([AuditedPart("regions", "", facts, plots)])
    assert section.html.count("data:image/jpeg") == len(REGIONS)
    for title in REGIONS.values():
        assert f"<figcaption>{title}</figcaption>" in section.html
    assert "How to read it: whole images are on top" in section.html
    assert "a network never saw images with black parts" in section.html
    assert "of normal (n 16)" in section.html


def test_where_a_class_shows_no_lungs_nothing_is_measured_and_that_is_said(tmp_path: Path) -> None:
    finding = audit(tmp_path, {"normal": ["none"] * 3, "tumour": ["no lungs"] * 3})

    assert finding.facts["regions"] == []
    assert finding.facts["sentence"] == "Lungs were found in too few images of a class: nothing was measured."
    assert finding.facts["limitations"] == []
    (section,) = fill_sections([AuditedPart("regions", "", *finding[:2])])
    assert "1.00 [" in section.html


def rows(**areas: tuple[float, float]) -> list[dict[str, Any]]:
    return [
        {
            "name": name.replace("_", " "),
            "roc_auc": {"value": low + 0.05, "low": low, "high": low + 0.1, "n": 90},
            "less": {"value": less + 0.05, "low": less, "high": less + 0.1, "n": 90},
        }
        for name, (low, less) in areas.items()
    ]


@pytest.mark.parametrize(
    ("found", "words", "limited"),
    [
        (
            rows(whole=(0.85, 0), without_lungs=(0.8, 0.01), lungs=(0.8, 0.01)),
            "With the lungs blacked out the AUC is still 0.85 [0.80, 0.90]: the classes can be told apart by "
            "something other than the lungs (whole images have 0.90 [0.85, 0.95], the lungs alone 0.85 [0.80, 0.90]).",
            True,
        ),
        (
            rows(whole=(0.85, 0), without_lungs=(0.45, 0.3), lungs=(0.7, 0.1)),
            "With the lungs blacked out the AUC is 0.50 [0.45, 0.55], not measurably above chance: what tells the "
            "classes apart lies in the lungs. They alone have 0.75 [0.70, 0.80], less than whole images (0.90 "
            "[0.85, 0.95]).",
            False,
        ),
        (
            rows(whole=(0.6, 0), without_lungs=(0.2, 0.3), lungs=(0.45, -0.1)),
            "With the lungs blacked out the AUC is 0.25 [0.20, 0.30], not measurably above chance: nothing was found "
            "beside the lungs. They alone have 0.50 [0.45, 0.55], not measurably less than whole images (0.65 "
            "[0.60, 0.70]).",
            False,
        ),
        (
            rows(whole=(0.42, 0), without_lungs=(0.45, -0.05), lungs=(0.45, -0.05)),
            "Whole images do not measurably tell the classes apart (AUC 0.47 [0.42, 0.52]): there is nothing to find.",
            False,
        ),
    ],
)
def test_what_was_found_is_said(found: list[dict[str, Any]], words: str, limited: bool) -> None:
    assert describe_regions(found) == words
    assert bool(find_limitations({"regions": found, "sentence": words})) == limited


def test_it_is_off_by_default() -> None:
    (audit,) = (audit for audit in AUDITS if audit.name == "regions")
    nothing = SimpleNamespace()  # of which nothing is asked

    facts, plot = node_of(audit).func(
        parameters=ModelEvaluationParameters(), seed=0, **dict.fromkeys((
            name.removeprefix("params:") for name in audit.inputs), nothing)
    )  # fmt: skip

    assert facts == {}
    assert not plot.data
