"""The gate: better, equal and worse models, other data, and champions that can't be compared."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from chest_cancer.network.classifier import Classifier
from chest_cancer.network.predictions import probability_columns
from chest_cancer.parameters import ModelEvaluationParameters
from chest_cancer.pipelines.model_evaluation.promotion import compare_with_champion
from chest_cancer.record.champion import Champion
from chest_cancer.sources.image_folder import ImageFolder
from serving import tiny_classifier

CLASSES = ["adenocarcinoma", "normal"]
COUNT = 12
PARAMETERS = ModelEvaluationParameters(bootstrap_repetitions=200, promotion_margin=0.05)


@pytest.fixture(scope="module")
def old() -> Classifier:
    return tiny_classifier("old")


def flat(number: int) -> Image.Image:
    return Image.new("RGB", (32, 32), (20 * number,) * 3)


@pytest.fixture
def images(image_folder: Callable[[dict[str, bytes]], ImageFolder]) -> ImageFolder:
    files = {}
    for number in range(COUNT):
        flat(number).save(buffer := BytesIO(), format="PNG")
        files[f"{number}.png"] = buffer.getvalue()
    return image_folder(files)


@pytest.fixture(scope="module")
def said(old: Classifier) -> np.ndarray:
    """What the champion says of the images."""
    answers = old.predict([np.asarray(flat(number)) for number in range(COUNT)])
    return np.array([list(answer.probabilities.values()) for answer in answers])


def table(labels: np.ndarray, scores: np.ndarray) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "path": [f"{number}.png" for number in range(COUNT)],
            "label": np.array(CLASSES)[labels],
            "group": np.arange(COUNT),
            "pixel_sha256": [f"{number:064}" for number in range(COUNT)],
            "split": "test",
        }
    )
    return frame.join(pd.DataFrame(np.stack([1 - scores, scores], axis=1), columns=probability_columns(CLASSES)))


def decide(images: ImageFolder, frame: pd.DataFrame, champion: Champion, digest: str | None = None) -> dict[str, Any]:
    manifest = tiny_classifier("new").manifest
    if digest is not None:
        manifest = manifest.model_copy(update={"data": manifest.data.model_copy(update={"digest": digest})})
    new = Classifier(b"never compiled", manifest)
    return compare_with_champion(images, frame, frame, new, champion, PARAMETERS, 0)


def ranks(said: np.ndarray) -> np.ndarray:
    """True where the champion is surer of the second class than in half of the images."""
    return (said[:, 1] > np.median(said[:, 1])).astype(int)


def test_a_better_model_is_promoted(images: ImageFolder, old: Classifier, said: np.ndarray) -> None:
    labels = 1 - ranks(said)  # the champion is wrong everywhere

    decision = decide(images, table(labels, labels.astype(float)), Champion("3", old))

    assert decision["promoted"] is True
    assert decision["difference"] == {"value": 1.0, "low": 1.0, "high": 1.0, "n": COUNT}
    assert decision["reason"] == (
        "Promoted: better than champion version 3: 1.000 [1.000, 1.000] more area under the ROC curve, on the same 12 "
        "test images in 12 groups."
    )


def test_an_equal_model_is_promoted_by_margin(images: ImageFolder, old: Classifier, said: np.ndarray) -> None:
    decision = decide(images, table(ranks(said), said[:, 1]), Champion("3", old))

    assert decision["promoted"] is True
    assert decision["reason"].startswith(
        "Promoted by margin: not worse by more than 0.05 than champion version 3: 0.000 [0.000, 0.000] more area"
    )


def test_a_champion_that_was_tested_on_the_same_images_is_not_asked_again(
    images: ImageFolder, old: Classifier, said: np.ndarray
) -> None:
    frame = table(ranks(said), said[:, 1])
    recorded = dict(zip(frame["pixel_sha256"], said.tolist(), strict=True))

    asked, remembered = (
        decide(images, frame, champion)
        for champion in (
            Champion("3", old),
            Champion("3", Classifier(b"never compiled", old.manifest), test_scores=recorded),
        )
    )

    assert remembered == asked


def test_the_same_network_is_not_asked_again(
    images: ImageFolder, old: Classifier, said: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    repeated = Classifier(old.graph, tiny_classifier("repeated").manifest)
    monkeypatch.setattr(Classifier, "predict_standardised", None)
    frame = table(ranks(said), said[:, 1])

    decision = compare_with_champion(images, frame, frame, repeated, Champion("3", old), PARAMETERS, 0)

    assert decision["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0, "n": COUNT}


def test_a_worse_model_is_refused(images: ImageFolder, old: Classifier, said: np.ndarray) -> None:
    labels = ranks(said)

    decision = decide(images, table(labels, np.where(np.arange(COUNT) % 3, labels, 1 - labels)), Champion("3", old))

    assert decision["promoted"] is False
    assert decision["champion"] == "3"
    assert decision["reason"].startswith("Refused: it may be worse by more than 0.05 than champion version 3:")


def test_groups_that_the_champion_has_learnt_from_are_left_out_and_other_data_are_named(
    images: ImageFolder, old: Classifier, said: np.ndarray
) -> None:
    frame = table(ranks(said), said[:, 1])
    frame["group"] //= 2
    champion = Champion("3", old, training_images=frozenset({frame["pixel_sha256"][4]}))

    decision = decide(images, frame, champion, digest="b" * 64)

    assert decision["difference"]["n"] == COUNT - 2
    assert decision["reason"].endswith(
        "on the same 10 test images in 5 groups; version 3 was trained on other data (38169b7d3816, not bbbbbbbbbbbb); "
        "2 images left out that are, or resemble, its training images."
    )


def test_a_champion_that_has_learnt_from_every_test_image_is_not_beaten(
    images: ImageFolder, old: Classifier, said: np.ndarray
) -> None:
    frame = table(ranks(said), said[:, 1])

    decision = decide(images, frame, Champion("3", old, frozenset(frame["pixel_sha256"])))

    assert decision["promoted"] is False
    assert "too few test images that champion version 3 has not learnt from" in decision["reason"]


def test_the_first_model_is_promoted_and_said_to_be_first(images: ImageFolder, said: np.ndarray) -> None:
    decision = decide(images, table(ranks(said), said[:, 1]), Champion())

    assert decision == {
        "promoted": True,
        "reason": "Promoted: the first model, with no champion before it.",
        "champion": None,
    }


def test_what_cannot_be_compared_is_not_promoted_and_says_why(
    images: ImageFolder, old: Classifier, said: np.ndarray
) -> None:
    other = Classifier(old.graph, old.manifest.model_copy(update={"classes": ("a", "b")}))
    same = Classifier(old.graph, tiny_classifier("new").manifest)

    for champion, reason in (
        (Champion(problem="No answer."), "Not compared: the model registry can't be used. No answer."),
        (Champion("3", problem="Too old."), "Not compared: champion version 3 can't be read. Too old."),
        (
            Champion("3", other),
            "Refused: champion version 3 tells a, b apart and this model adenocarcinoma, normal: "
            "they can't be compared.",
        ),
        (Champion("3", same), "This is the champion, version 3."),
    ):
        decision = decide(images, table(ranks(said), said[:, 1]), champion)

        assert decision == {"promoted": False, "reason": reason, "champion": champion.version}
