from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

from app.answers import answer, display_name, record
from app.slices import Slice
from chest_cancer.imaging.frame import WHOLE_IMAGE
from chest_cancer.network.classifier import Prediction
from manifests import manifest_of


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("normal", "Normal"),
        ("adenocarcinoma", "Adenocarcinoma Cancer"),
        ("squamous_cell", "Squamous cell"),
        ("large.cell.carcinoma", "Large cell carcinoma"),
        ("lung_cancer", "Lung cancer"),
        ("benign", "Benign"),
        ("PNEUMONIA", "PNEUMONIA"),
        ("Bengin cases", "Bengin cases"),
        ("COVID-19 (positive)", "COVID-19 (positive)"),
        ("no", "No"),
        ("0", "0"),
        ("größe_x", "Größe x"),
        ("_", "_"),
        ("._.", "._."),
        (" ", " "),
    ],
)
def test_a_class_is_called_what_it_is_called_and_the_public_projects_two_as_they_have_them(label, name):
    assert display_name(label) == name


def slice_of(chest: bool = False) -> Slice:
    pixels = np.zeros((224, 224, 3), np.uint8)
    return Slice(pixels, WHOLE_IMAGE, pixels, is_asked=True, chest=chest, filename=None, digest="")


@pytest.mark.parametrize(
    ("reason", "chest", "said"),
    [
        ("not sure", False, "not sure"),
        ("not sure", True, "not sure"),
        ("not a chest CT slice", False, "not a chest CT slice"),
        ("not a chest CT slice", True, "unlike the training images"),
    ],
)
def test_an_abstention_is_never_shown_as_a_class_and_a_chest_is_one(reason: str, chest: bool, said: str) -> None:
    by_class = {"normal": 0.6, "adenocarcinoma": 0.4}
    prediction = Prediction("normal", by_class, np.zeros(2), np.zeros((2, 7, 7)), reason=reason)
    model = SimpleNamespace(
        manifest=manifest_of(),
        classifier=SimpleNamespace(predict_standardised=lambda images: [prediction]),
    )

    capacity = SimpleNamespace(infer=nullcontext)
    (one,) = answer([slice_of(chest=chest)], model, capacity)

    assert (one.name, one.leaning) == (said[:1].upper() + said[1:], "Normal")
    written = record(one, model, "id", explain=False)
    assert (written["image"], written["abstained"], written["reason"]) == ("Not sure", True, said)
    assert (written["label"], written["probability"], written["probabilities"]) == (None, None, by_class)


def test_an_answer_of_less_than_the_largest_probability_is_given_with_its_own() -> None:
    by_class = {"normal": 0.6, "adenocarcinoma": 0.4}
    prediction = Prediction("adenocarcinoma", by_class, np.zeros(2), np.zeros((2, 7, 7)))
    model = SimpleNamespace(
        manifest=manifest_of(), classifier=SimpleNamespace(predict_standardised=lambda images: [prediction])
    )
    (one,) = answer([slice_of()], model, SimpleNamespace(infer=nullcontext))

    written = record(one, model, "id", explain=False)

    assert (written["image"], written["label"], written["probability"]) == (
        "Adenocarcinoma Cancer",
        "adenocarcinoma",
        0.4,
    )
