from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

from app.answers import answer, display_name, record
from app.evidence import draw_evidence
from chest_cancer.classifier import Prediction
from chest_cancer.imaging.standardise import WHOLE_IMAGE, Frame


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


def prediction(evidence):
    return Prediction("b", {"a": 0.3, "b": 0.7}, np.zeros(4, np.float32), np.asarray(evidence, np.float32))


def test_evidence_is_orange_where_it_speaks_for_and_blue_where_it_speaks_against():
    evidence = np.zeros((2, 7, 7))
    evidence[1, 1, 1], evidence[1, 5, 5] = 2, -2
    picture = draw_evidence(prediction(evidence), WHOLE_IMAGE)
    red, _, blue, opacity = picture[48, 48].astype(int)
    assert red > blue
    assert opacity > 200
    red, _, blue, opacity = picture[176, 176].astype(int)
    assert blue > red
    assert opacity > 200
    assert picture[48, 176, 3] < 20


def test_evidence_is_drawn_where_the_network_looked():
    evidence = np.zeros((2, 7, 7))
    evidence[1, 3, 3] = 2

    picture = draw_evidence(prediction(evidence), Frame(0.5, 0.0, 1.0, 0.5))

    opacity = picture[..., 3].astype(int)
    assert np.unravel_index(opacity.argmax(), opacity.shape) == pytest.approx((56, 168), abs=6)
    assert opacity[:, :110].max() == opacity[114:].max() == 0
    beyond = draw_evidence(prediction(evidence), Frame(-0.5, -0.5, 1.5, 1.5))[..., 3].astype(int)
    assert beyond[112, 112] > 200
    assert (beyond > 100).sum() > 8 * (opacity > 100).sum()


def test_what_speaks_for_every_class_alike_is_not_drawn():
    evidence = np.random.default_rng(0).random((1, 7, 7)).repeat(2, axis=0)
    assert draw_evidence(prediction(evidence), WHOLE_IMAGE)[..., 3].max() == 0


@pytest.mark.parametrize("reason", ["not sure", "not a chest CT slice"])
def test_an_abstention_is_never_shown_as_a_class(reason: str) -> None:
    by_class = {"normal": 0.6, "adenocarcinoma": 0.4}
    prediction = Prediction("normal", by_class, np.zeros(2), np.zeros((2, 7, 7)), reason=reason)
    model = SimpleNamespace(
        manifest={
            "normal_class": "normal",
            "provenance": {"code_version": "1", "mlflow_run_id": None},
            "data": {"synthetic": True},
        },
        classifier=SimpleNamespace(predict_standardised=lambda images: [prediction]),
    )

    capacity = SimpleNamespace(infer=nullcontext)
    (one,) = answer([SimpleNamespace(pixels=None, filename=None)], model, capacity)

    assert one.name == f"N{reason[1:]}"
    written = record(one, model, "id", explain=False)
    assert (written["image"], written["abstained"], written["reason"]) == ("Not sure", True, reason)
