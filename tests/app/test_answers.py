from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

from app.answers import answer, display_name, record
from chest_cancer.network.classifier import Prediction
from manifests import manifest_of


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("normal", "Normal"),
        ("adenocarcinoma", "Adenocarcinoma Cancer"),
        ("squamous_cell", "Squamous Cell Cancer"),
        ("large_cell_carcinoma", "Large Cell Carcinoma"),
        ("lung_cancer", "Lung Cancer"),
    ],
)
def test_display_names_are_those_of_the_public_projects(label, name):
    assert display_name(label, "normal") == name


def test_without_a_normal_class_every_class_is_a_cancer():
    assert display_name("normal", None) == "Normal Cancer"


@pytest.mark.parametrize("reason", ["not sure", "not a chest CT slice"])
def test_an_abstention_is_never_shown_as_a_class(reason: str) -> None:
    by_class = {"normal": 0.6, "adenocarcinoma": 0.4}
    prediction = Prediction("normal", by_class, np.zeros(2), np.zeros((2, 7, 7)), reason=reason)
    model = SimpleNamespace(
        manifest=manifest_of(),
        classifier=SimpleNamespace(predict_standardised=lambda images: [prediction]),
    )

    capacity = SimpleNamespace(infer=nullcontext)
    (one,) = answer([SimpleNamespace(pixels=None, filename=None)], model, capacity)

    assert one.name == f"N{reason[1:]}"
    written = record(one, model, "id", explain=False)
    assert (written["image"], written["abstained"], written["reason"]) == ("Not sure", True, reason)
