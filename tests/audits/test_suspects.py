"""The audit of suspects: turned labels, foreign and odd images are listed, and nothing is where nothing is odd."""

import io
import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from chest_cancer.audits.audit import Finding
from chest_cancer.audits.sample import sample_images
from chest_cancer.audits.suspects.audit import audit_suspects
from chest_cancer.audits.suspects.columns import COLUMNS
from chest_cancer.audits.suspects.labels import average_probabilities, find_wrong_labels
from chest_cancer.audits.suspects.oddities import FAR, describe_files, deviate, measure_distances
from chest_cancer.network.heads.logistic import quick_linear_head
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.reporting.templates import AuditedPart, fill_sections
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.statistics.cross_validation import draw_folds, predict_out_of_fold

PARAMETERS = ModelEvaluationParameters(bootstrap_repetitions=100)
COUNT, TURNED = 160, 8
GROUPS = np.arange(COUNT) // 2
SEEDS = range(20)


def embeddings(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two slices of each patient, half of each class, which shows in a fourth of the features."""
    generator = np.random.default_rng(seed)
    numbers = GROUPS % 2
    patients = generator.normal(1, 0.25, (COUNT // 2, 48))[GROUPS]
    means = np.abs(patients + 0.1 * generator.standard_normal((COUNT, 48)))
    means[:, :12] += 0.6 * numbers[:, None]
    return np.concatenate([means, means], axis=1).astype(np.float32), numbers


def suspected(seed: int, turned: int) -> tuple[np.ndarray, np.ndarray]:
    """Which labels were turned round, and which are suspected."""
    seen, numbers = embeddings(seed)
    chosen = np.random.default_rng(1000 + seed).choice(COUNT, turned, replace=False)
    labels = numbers.copy()
    labels[chosen] = 1 - labels[chosen]
    scores = predict_out_of_fold(quick_linear_head(), seen, labels, draw_folds(labels, GROUPS, seed, 1))
    found = find_wrong_labels(average_probabilities(scores), labels)
    return np.isin(np.arange(COUNT), chosen), found


def test_turned_labels_are_found() -> None:
    outcomes = [suspected(seed, TURNED) for seed in SEEDS]

    recalls = [found[turned].mean() for turned, found in outcomes]
    precisions = [turned[found].mean() for turned, found in outcomes]
    assert sum(recall > 0.6 and precision > 0.4 for recall, precision in zip(recalls, precisions, strict=True)) >= 18
    assert np.mean(recalls) > 0.85


def test_right_labels_are_mostly_left_alone() -> None:
    assert sum(suspected(seed, 0)[1].mean() > 0.03 for seed in SEEDS) <= 2


def test_an_image_of_something_else_is_far_from_the_others() -> None:
    outcomes = []
    for seed in SEEDS:
        seen, numbers = embeddings(seed)
        seen[7, :24] += 6
        far = deviate(measure_distances(seen, draw_folds(numbers, GROUPS, seed, 1)[0])) > FAR
        outcomes.append((bool(far[7]), far.sum() - far[7]))

    assert sum(found for found, _ in outcomes) >= 18
    assert sum(others > 1 for _, others in outcomes) <= 2


def files(**changes: object) -> pd.DataFrame:
    table = pd.DataFrame(
        {"width": [512] * 60, "height": [512] * 60, "mode": "L", "coloured": 0.0, "letters": 0}
    ).astype({"mode": object})
    for column, value in changes.items():
        table.loc[3, column] = value
    return table


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"width": 300}, "size", "300 x 512 pixels, unlike the others"),
        ({"mode": "P"}, "file", "stored as P, unlike the others"),
        ({"coloured": 0.9}, "file", "in colour, and the others are not"),
        ({"coloured": 0.001}, "marks", "coloured marks"),
        ({"letters": 5}, "marks", "letters burnt in"),
        ({"letters": 5, "coloured": 0.001}, "marks", "coloured marks; letters burnt in"),
    ],
)
def test_odd_files_are_found_with_their_reason(changes: dict, kind: str, words: str) -> None:
    found = describe_files(files(**changes))

    assert found.pop(kind)[3] == words
    assert not any(reason for reasons in found.values() for reason in reasons)


def test_what_many_files_have_in_common_is_not_odd() -> None:
    table = files()
    table.loc[:9, ["width", "mode", "coloured"]] = [256, "RGB", 0.9]

    assert not any(reason for reasons in describe_files(table).values() for reason in reasons)


@pytest.fixture
def finding(image_folder: Callable[[dict[str, bytes]], ImageFolder]) -> Finding:
    """What is found where five labels were turned, image 5 of them has a drawn mark, and image 20 another size."""
    seen, numbers = embeddings(3)
    numbers = numbers.copy()
    turned = [5, 30, 61, 90, 120]
    numbers[turned] = 1 - numbers[turned]
    picture = io.BytesIO()
    Image.new("L", (40, 40), 90).save(picture, "PNG")
    table = pd.DataFrame(
        {
            "path": [f"{i}.png" for i in range(COUNT)],
            "label": np.array(["normal", "tumour"])[numbers],
            "pixel_sha256": [f"{i:064x}" for i in range(COUNT)],
            "mode": "L",
            "width": 40,
            "height": 40,
            "coloured": 0.0,
            "letters": 0,
            "split": "train",
            "group": GROUPS,
        }
    )
    table.loc[5, "coloured"] = 0.01
    table.loc[20, "width"] = 80
    table = pd.concat([table, table.iloc[[5]].assign(path="copy.png")])
    features = {"pixel_sha256": table["pixel_sha256"].to_numpy()[:COUNT], "embedding": seen}
    folder = image_folder({path: picture.getvalue() for path in table["path"]})
    return audit_suspects(folder, table, sample_images(table, features, 0), PARAMETERS, 0)


def test_the_table_is_ranked_and_nothing_is_left_out_of_anything(finding: Finding) -> None:
    table = finding.tables["suspects"]

    assert tuple(table.columns) == COLUMNS
    assert table["rank"].tolist() == list(range(1, len(table) + 1))
    first = table.iloc[0]
    assert (first["path"], first["files"]) == ("5.png", 2)
    assert first["reasons"] == "label may be wrong; coloured marks"
    assert first["instead"] != first["label"]
    assert first["probability"] < 0.5
    assert "80 x 40 pixels, unlike the others" in set(table["reasons"])
    assert finding.facts["suspects"] == len(table) < 0.1 * COUNT
    assert finding.facts["kinds"]["marks"]["n"] == COUNT


def test_facts_are_json_and_the_section_shows_thumbnails(finding: Finding) -> None:
    assert json.loads(json.dumps(finding.facts)) == finding.facts

    (section,) = fill_sections([AuditedPart("suspects", "", finding.facts, finding.plots)])

    assert section.html.count("data:image/jpeg") == finding.facts["suspects"]
    assert "1. 5.png" in section.html
    assert "data_ingestion.exclude" in section.html


def test_labels_that_may_be_wrong_are_a_limitation(finding: Finding) -> None:
    (limitation,) = finding.facts["limitations"]

    assert limitation["title"] == "Suspects"
    assert "may be wrong: see suspects.csv. No image was left out" in limitation["text"]


def test_without_groups_on_both_sides_nothing_is_said(image_folder: Callable[..., ImageFolder]) -> None:
    table = pd.DataFrame({"label": ["a", "a", "b"], "pixel_sha256": ["1", "2", "3"], "group": [0, 1, 2]})

    features = {"pixel_sha256": table["pixel_sha256"].to_numpy(), "embedding": np.eye(3)}

    sample = sample_images(table, features, 0)
    assert audit_suspects(image_folder({}), table, sample, PARAMETERS, 0).facts == {}
