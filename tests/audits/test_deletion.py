"""The audit of deletion: memory that is planted is found, and none where twins are worth nothing."""

import json
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from chest_cancer.audits import sample
from chest_cancer.audits.deletion.audit import audit_deletion
from chest_cancer.audits.sample import sample_images
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.reporting.templates import AuditedPart, divisions, fill_sections
from undrawn import undrawn

PARAMETERS = ModelEvaluationParameters(bootstrap_repetitions=100, deletion_similarities=(0.95,))
SEEDS = range(20)
Data = tuple[pd.DataFrame, dict[str, np.ndarray]]


def data(
    seed: int, signal: float, *, patients: int = 40, width: int = 96, spread: float = 0.15, copies: int = 0
) -> Data:
    """Three slices of each patient, whose cosine is about 0.97; the class is a coin's.

    Without a signal a score can be had from memory alone. With one the class shows in a fourth of the features, and
    every sixth slice is labelled wrongly by chance, which no twin can tell.
    """
    generator = np.random.default_rng(seed)
    of = np.repeat(np.arange(patients), 3)
    label = generator.permutation(np.arange(patients) % 2)[of]
    means = generator.standard_normal((patients, width))[of]
    if signal:
        means[:, : width // 4] = signal * (2 * label - 1)[:, None]
        label = np.where(generator.random(len(of)) < 1 / 6, 1 - label, label)
    means += spread * generator.standard_normal(means.shape)
    keys = np.array([f"{i:064x}" for i in range(len(of))])
    files = np.concatenate([np.arange(len(of)), np.arange(copies)])
    table = pd.DataFrame(
        {
            "path": [f"{i}.png" for i in range(len(files))],
            "label": np.array(["normal", "tumour"])[label[files]],
            "pixel_sha256": keys[files],
            "group": of[files],
        }
    )
    means = means.astype(np.float32)
    return table, {"pixel_sha256": keys, "embedding": np.concatenate([means, np.zeros_like(means)], axis=1)}


def audit(seed: int = 0, signal: float = 0.0, **more: float) -> dict:
    return audit_deletion(sample_images(*data(seed, signal, **more), seed), PARAMETERS, seed).facts


def rows(signal: float) -> list[dict]:
    with undrawn("chest_cancer.audits.deletion.audit.plot_deletions"):
        return [audit(seed, signal)["rows"][0] for seed in SEEDS]


@pytest.fixture(scope="module", autouse=True)
def _few_draws() -> Iterator[None]:
    """The sample's own scores are of no use here, and would take the most time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sample, "repeats_for", lambda _: 1)
        yield


@pytest.fixture(scope="module")
def planted() -> list[dict]:
    return rows(signal=0.0)


def is_found(row: dict) -> bool:
    return bool(row["beyond_random"]["low"] > 0 and row["beyond_same_classes"]["low"] > 0)


def test_memory_that_is_planted_is_found(planted: list[dict]) -> None:
    assert sum(map(is_found, planted)) >= 18


def test_near_duplicates_that_are_worth_nothing_are_not_called_memory() -> None:
    found = rows(signal=1.0)

    assert all(row["deleted"] > 30 for row in found)  # there was something to be deleted
    assert sum(map(is_found, found)) <= 2


def test_the_control_costs_nothing_where_the_score_is_memory_of_the_tested_alone(planted: list[dict]) -> None:
    assert sum(row["typical"]["low"] > 0 for row in planted) <= 2


def test_copies_and_distinct_look_alikes_are_told_apart() -> None:
    facts = audit(copies=40)

    copies, files, pictures = facts["rows"]
    assert [(row["unit"], row["similarity"]) for row in facts["rows"]] == [
        ("files", None),
        ("files", 0.95),
        ("pictures", 0.95),
    ]
    assert copies["deleted"] < files["deleted"]
    assert copies["beyond_random"]["n"] == 160
    assert pictures["beyond_random"]["n"] == 120
    assert files["with_near"]["value"] > 0.9
    assert files["balanced_accuracy"]["everything"]["value"] > files["balanced_accuracy"]["near"]["value"]
    (limitation,) = facts["limitations"]
    assert limitation["title"] == "What near-duplicates are worth"
    assert "of the score is memory of these files" in limitation["text"]
    assert "With copies out beforehand, look-alikes are worth" in limitation["text"]
    assert json.loads(json.dumps(facts)) == facts


def test_without_near_duplicates_there_is_nothing_to_delete() -> None:
    facts, plots, _ = audit_deletion(sample_images(*data(0, 1.0, spread=2.0), 0), PARAMETERS, 0)

    assert facts["rows"] == []
    assert facts["sentence"].startswith("No two images are as near as cosine 0.95")
    assert facts["limitations"] == []
    assert divisions(plots) == {}


def test_near_duplicates_that_are_worth_nothing_are_said_to_be() -> None:
    facts = audit(signal=1.0)

    assert "no measurable difference" in facts["sentence"]
    assert facts["limitations"] == []


def test_too_few_images_for_folds_give_nothing() -> None:
    table, features = data(0, 0.0, patients=2)

    assert audit_deletion(sample_images(table.iloc[:4], features, 0), PARAMETERS, 0).facts == {}


def test_the_section_shows_costs_and_what_they_do_not_show() -> None:
    found = audit_deletion(sample_images(*data(0, 0.0, copies=40), 0), PARAMETERS, 0)

    (section,) = fill_sections([AuditedPart("deletion", "", found.facts, found.plots)])

    assert section.html.count('<td class="figure">files: ') == 2
    assert "files: copies" in section.html
    assert "What it does not show" in section.html
    assert "plotly-graph-div" in section.html


@pytest.mark.parametrize("similarities", [(), (0.0,), (1.1,)])
def test_similarities_are_cosines(similarities: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="deletion_similarities"):
        ModelEvaluationParameters(deletion_similarities=similarities)
