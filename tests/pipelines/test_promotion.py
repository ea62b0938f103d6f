"""The gate: better, equal and worse models, other data, and champions that can't be compared."""

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from chest_cancer.network.classifier import Classifier
from chest_cancer.network.predictions import probability_columns
from chest_cancer.network.runtime import Quantised
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.pipelines.model_evaluation.promotion import compare_with_champion
from chest_cancer.record.champion import Champion, Decision, Line, Served
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
            "path": [f"{number}.png" for number in range(len(labels))],
            "label": np.array(CLASSES)[labels],
            "group": np.arange(len(labels)),
            "pixel_sha256": [f"{number:064}" for number in range(len(labels))],
            "split": "test",
        }
    )
    return frame.join(pd.DataFrame(np.stack([1 - scores, scores], axis=1), columns=probability_columns(CLASSES)))


def decide(
    images: ImageFolder,
    frame: pd.DataFrame,
    champion: Champion,
    classes: tuple[str, ...] | None = None,
    replaces: int | None = None,
    **data: Any,
) -> Decision:
    """Ask the gate; the new model is of other data where `data` says so."""
    manifest = tiny_classifier("new").manifest
    manifest = manifest.model_copy(
        update={"data": manifest.data.model_copy(update=data), "classes": classes or manifest.classes}
    )
    new = Classifier(b"never compiled", manifest)
    asked: list[Line] = []

    def champions(line: Line) -> Champion:
        asked.append(line)
        return champion

    parameters = PARAMETERS.model_copy(update={"replaces": replaces})
    decision = compare_with_champion(images, frame, frame, new, champions, parameters)
    assert asked == [Line(manifest.data.synthetic, manifest.classes)]
    return decision


def real(classifier: Classifier) -> Classifier:
    """The same, trained on real images."""
    data = classifier.manifest.data.model_copy(update={"synthetic": False})
    return Classifier(classifier.graph, classifier.manifest.model_copy(update={"data": data}))


PHANTOMS, REAL = Line(True, tuple(CLASSES)), Line(False, tuple(CLASSES))


def ranks(said: np.ndarray) -> np.ndarray:
    """True where the champion is surer of the second class than in half of the images."""
    return (said[:, 1] > np.median(said[:, 1])).astype(int)


def test_a_better_model_is_promoted(images: ImageFolder, old: Classifier, said: np.ndarray) -> None:
    labels = 1 - ranks(said)  # the champion is wrong everywhere

    decision = decide(images, table(labels, labels.astype(float)), Champion("3", old))

    assert decision["promoted"] is True
    assert decision["difference"]["value"] == decision["difference"]["high"] == 1.0
    assert decision["reason"] == (
        "Promoted: better than champion version 3: area under the ROC curve less the champion's: "
        "1.000 [0.648, 1.000], on the same 12 test images in 12 groups."
    )


def recorded(frame: pd.DataFrame, old: Classifier, scores: np.ndarray) -> Champion:
    """A champion whose answers to all test images are on record."""
    answers = np.stack([1 - scores, scores], axis=1).tolist()
    return Champion(
        "3",
        Classifier(b"another network", old.manifest),
        test_scores=dict(zip(frame["pixel_sha256"], answers, strict=True)),
    )


def test_an_equal_model_is_promoted_by_margin_where_patients_are_many(images: ImageFolder, old: Classifier) -> None:
    generator, labels = np.random.default_rng(0), np.arange(200) % 2
    scores = 0.2 * labels + generator.uniform(0, 0.5, 200)
    frame = table(labels, scores + generator.uniform(0, 0.05, 200))

    decision = decide(images, frame, recorded(frame, old, scores))

    assert decision["promoted"] is True
    assert decision["reason"].startswith(
        "Promoted by margin: not worse by more than 0.05 than champion version 3: area under the ROC curve less the "
        "champion's: "
    )


@pytest.mark.parametrize(("count", "promoted"), [(26, False), (120, True)])
def test_two_models_without_a_mistake_are_told_apart_by_many_patients_alone(
    images: ImageFolder, old: Classifier, count: int, promoted: bool
) -> None:
    labels = np.arange(count) % 2
    frame = table(labels, 0.1 + 0.8 * labels)

    decision = decide(images, frame, recorded(frame, old, 0.2 + 0.6 * labels))

    assert (decision["promoted"], decision["difference"]["value"]) == (promoted, 0.0)
    words = "Both rank all of them rightly: so few can't tell the models apart, more test patients could."
    assert decision["reason"].endswith(words) is not promoted


def test_a_refused_model_that_may_be_better_is_said_to_need_more_patients(images: ImageFolder, old: Classifier) -> None:
    labels, number = np.arange(COUNT) % 2, np.arange(COUNT)
    missed, other, all_missed = (np.where(wrong, 0.9 - 0.8 * labels, 0.2 + 0.6 * labels)
                                 for wrong in (number == 0, number == 1, number >= 0))  # fmt: skip

    open_question, worse = (
        decide(images, frame, recorded(frame, old, missed))["reason"]
        for frame in (table(labels, other), table(labels, all_missed))
    )

    words = " So few can't tell which is better: more test patients could."
    assert open_question.startswith("Refused: it may be worse")
    assert open_question.endswith(words)
    assert worse.startswith("Refused: it may be worse")
    assert words not in worse


def test_a_champion_that_was_tested_on_the_same_images_is_not_asked_again(
    images: ImageFolder, old: Classifier, said: np.ndarray
) -> None:
    frame = table(ranks(said), said[:, 1])

    asked, remembered = (
        decide(images, frame, champion) for champion in (Champion("3", old), recorded(frame, old, said[:, 1]))
    )

    assert remembered == asked


def test_the_same_network_is_not_asked_again(
    images: ImageFolder, old: Classifier, said: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    repeated = Classifier(old.graph, tiny_classifier("repeated").manifest)
    monkeypatch.setattr(Classifier, "predict_standardised", None)
    frame = table(ranks(said), said[:, 1])

    decision = compare_with_champion(images, frame, frame, repeated, lambda line: Champion("3", old), PARAMETERS)

    assert decision["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0, "n": COUNT}


def test_the_same_network_in_other_int8_is_another_one(images: ImageFolder, old: Classifier, said: np.ndarray) -> None:
    labels = 1 - ranks(said)  # the champion is wrong everywhere
    frame = table(labels, labels.astype(float))
    answers = dict(zip(frame["pixel_sha256"], said.tolist(), strict=True))
    served, new = (
        Classifier(old.graph, tiny_classifier(name).manifest, quantised=Quantised(b"never compiled", name.encode()))
        for name in ("served", "new")
    )
    champion = Champion("3", served, test_scores=answers)

    decision = compare_with_champion(images, frame, frame, new, lambda line: champion, PARAMETERS)

    assert decision["difference"]["value"] == 1.0


def test_a_worse_model_is_refused(images: ImageFolder, old: Classifier, said: np.ndarray) -> None:
    labels = ranks(said)

    decision = decide(images, table(labels, np.where(np.arange(COUNT) % 3, labels, 1 - labels)), Champion("3", old))

    assert decision["promoted"] is False
    assert decision["champion"] == "3"
    assert decision["reason"].startswith("Refused: it may be worse by more than 0.05 than champion version 3:")


def test_groups_that_the_champion_has_learnt_from_are_left_out(
    images: ImageFolder, old: Classifier, said: np.ndarray
) -> None:
    frame = table(ranks(said), said[:, 1])
    frame["group"] //= 2
    champion = Champion("3", old, training_images=frozenset({frame["pixel_sha256"][4]}))

    decision = decide(images, frame, champion)

    assert decision["difference"]["n"] == COUNT - 2
    assert (
        "on the same 10 test images in 5 groups; 2 images left out that are, or resemble, its training images. "
        in decision["reason"]
    )


def test_with_a_champion_of_other_data_only_images_count_that_both_were_tested_on(
    images: ImageFolder, old: Classifier, said: np.ndarray
) -> None:
    frame = table(ranks(said), said[:, 1])
    scores = dict(zip(frame["pixel_sha256"][:-1], said[:-1].tolist(), strict=True))
    champion = Champion("3", Classifier(b"never compiled", old.manifest), test_scores=scores)

    decision = decide(images, frame, champion, digest="b" * 64)

    assert decision["difference"]["n"] == COUNT - 1
    assert decision["reason"].endswith(
        "on the same 11 test images in 11 groups; version 3 was trained on other data (38169b7d3816, not "
        "bbbbbbbbbbbb), 1 images left out that it was not tested on."
    )


def test_a_champion_of_other_data_is_not_beaten_on_images_that_only_the_new_model_knows(
    images: ImageFolder, old: Classifier, said: np.ndarray
) -> None:
    labels = 1 - ranks(said)  # the champion would be wrong everywhere

    decision = decide(images, table(labels, labels.astype(float)), Champion("3", old), digest="b" * 64)

    assert (decision["promoted"], decision["leads"]) == (False, False)
    assert decision["reason"] == (
        "Not compared: only 0 test images in 0 groups can be compared on with champion version 3, fewer than tell "
        "anything; version 3 was trained on other data (38169b7d3816, not bbbbbbbbbbbb), 12 images left out that it "
        "was not tested on."
    )


def test_a_champion_that_has_learnt_from_every_test_image_is_not_beaten(
    images: ImageFolder, old: Classifier, said: np.ndarray
) -> None:
    frame = table(ranks(said), said[:, 1])

    decision = decide(images, frame, Champion("3", old, frozenset(frame["pixel_sha256"])))

    assert decision["promoted"] is False
    assert decision["reason"].startswith("Not compared: only 0 test images in 0 groups can be compared on")


def test_the_first_model_is_promoted_and_said_to_be_first(images: ImageFolder, said: np.ndarray) -> None:
    decision = decide(images, table(ranks(said), said[:, 1]), Champion())

    assert decision == {
        "promoted": True,
        "leads": True,
        "reason": "Promoted: the first model, with no champion before it.",
        "champion": None,
        "served": None,
    }


def test_the_first_model_of_real_images_takes_the_place_of_one_of_phantoms(
    images: ImageFolder, said: np.ndarray
) -> None:
    champion = Champion(served=Served("3", PHANTOMS))

    decision = decide(images, table(ranks(said), said[:, 1]), champion, synthetic=False)

    assert decision == {
        "promoted": True,
        "leads": True,
        "reason": "Promoted: the first model of its kind, with no champion before it. It takes the place of version 3, "
        "a model of synthetic phantoms of adenocarcinoma, normal.",
        "champion": None,
        "served": "3",
    }


def test_a_model_of_phantoms_never_takes_the_place_of_one_of_real_images(images: ImageFolder, said: np.ndarray) -> None:
    decision = decide(images, table(ranks(said), said[:, 1]), Champion(served=Served("3", REAL)))

    assert decision == {
        "promoted": False,
        "leads": True,
        "reason": "Not served: version 3, which is, is a model of real images of adenocarcinoma, normal, and this is "
        "one of synthetic phantoms of adenocarcinoma, normal: they can't be compared. Among its own kind: the first "
        "model of its kind, with no champion before it.",
        "champion": None,
        "served": "3",
    }


def test_a_better_model_of_phantoms_leads_those_and_is_not_served_in_place_of_one_of_real_images(
    images: ImageFolder, old: Classifier, said: np.ndarray
) -> None:
    labels = 1 - ranks(said)
    champion = Champion("5", old, served=Served("3", REAL))

    decision = decide(images, table(labels, labels.astype(float)), champion)

    assert (decision["promoted"], decision["leads"], decision["champion"]) == (False, True, "5")
    assert "Among its own kind: better than champion version 5" in decision["reason"]


def test_a_better_model_is_served_in_place_of_the_champion_of_its_line(
    images: ImageFolder, old: Classifier, said: np.ndarray
) -> None:
    labels = 1 - ranks(said)
    champion = Champion("3", real(old), served=Served("3", REAL))

    decision = decide(images, table(labels, labels.astype(float)), champion, synthetic=False)

    assert (decision["promoted"], decision["leads"]) == (True, True)
    assert decision["reason"].startswith("Promoted: better than champion version 3")


def test_a_refused_model_of_real_images_does_not_take_the_place_of_phantoms_that_were_chosen_by_hand(
    images: ImageFolder, old: Classifier, said: np.ndarray
) -> None:
    labels = ranks(said)
    champion = Champion("3", real(old), served=Served("4", PHANTOMS))

    decision = decide(images, table(labels, 1.0 - labels), champion, synthetic=False)

    assert (decision["promoted"], decision["leads"]) == (False, False)
    assert decision["reason"].startswith("Refused: it may be worse")


@pytest.mark.parametrize("synthetic", [True, False])
def test_a_model_of_other_classes_starts_a_line_and_takes_no_real_models_place(
    images: ImageFolder, said: np.ndarray, synthetic: bool
) -> None:
    champion = Champion(served=Served("3", Line(False, ("a", "b"))))

    decision = decide(images, table(ranks(said), said[:, 1]), champion, synthetic=synthetic)

    assert (decision["promoted"], decision["leads"]) == (False, True)
    assert "version 3, which is, is a model of real images of a, b" in decision["reason"]


def test_a_model_of_other_data_takes_the_place_of_the_version_that_is_said_to_be_replaced(
    images: ImageFolder, old: Classifier, said: np.ndarray
) -> None:
    champion = Champion("3", real(old), served=Served("3", REAL))

    decision = decide(images, table(ranks(said), said[:, 1]), champion, replaces=3, synthetic=False, digest="b" * 64)

    assert (decision["promoted"], decision["leads"], decision["replaces"]) == (True, True, "3")
    assert decision["reason"].startswith(
        "Promoted in place of version 3, as `model_evaluation.replaces` says. Not compared: only 0 test images in 0 "
        "groups can be compared on with champion version 3"
    )


def test_a_model_of_other_classes_or_of_phantoms_takes_the_place_of_the_version_that_is_said_to_be_replaced(
    images: ImageFolder, said: np.ndarray
) -> None:
    decision = decide(
        images, table(ranks(said), said[:, 1]), Champion(served=Served("3", Line(False, ("a", "b")))), replaces=3
    )

    assert (decision["promoted"], decision["leads"], decision["replaces"]) == (True, True, "3")
    assert decision["reason"] == (
        "Promoted in place of version 3, as `model_evaluation.replaces` says: that one is a model of real images of "
        "a, b, and this is one of synthetic phantoms of adenocarcinoma, normal: they can't be compared. Among its own "
        "kind: the first model of its kind, with no champion before it."
    )


def test_a_model_of_other_data_replaces_nothing_where_another_version_was_meant(
    images: ImageFolder, old: Classifier, said: np.ndarray
) -> None:
    frame = table(ranks(said), said[:, 1])
    of_other_classes = Champion(served=Served("3", Line(False, ("a", "b"))))
    of_other_data = Champion("3", old, served=Served("3", PHANTOMS))

    for champion in (of_other_classes, of_other_data):
        decision = decide(images, frame, champion, replaces=2, digest="b" * 64)

        assert decision["promoted"] is False
        assert decision["reason"].endswith(" `model_evaluation.replaces` names version 2, and version 3 is served.")


def test_the_champion_of_another_line_is_served_when_it_is_evaluated_again_only_where_that_was_said(
    images: ImageFolder, old: Classifier, said: np.ndarray
) -> None:
    champion = Champion("5", Classifier(old.graph, tiny_classifier("new").manifest), served=Served("3", REAL))

    kept, replaced = (
        decide(images, table(ranks(said), said[:, 1]), champion, replaces=replaces) for replaces in (None, 3)
    )

    assert (kept["promoted"], kept["reason"]) == (False, "This is the champion, version 5.")
    assert (replaced["promoted"], replaced["reason"]) == (
        True,
        "Promoted in place of version 3, as `model_evaluation.replaces` says. This is the champion, version 5.",
    )


def test_a_worse_model_on_the_same_images_is_refused_whatever_may_be_replaced(
    images: ImageFolder, old: Classifier, said: np.ndarray
) -> None:
    labels = ranks(said)
    champion = Champion("3", old, served=Served("3", PHANTOMS))

    decision = decide(images, table(labels, 1.0 - labels), champion, replaces=3)

    assert (decision["promoted"], "replaces" in decision) == (False, False)
    assert decision["reason"].startswith("Refused: it may be worse by more than 0.05 than champion version 3")


def test_a_version_that_does_not_say_what_it_is_keeps_its_place(images: ImageFolder, said: np.ndarray) -> None:
    decision = decide(images, table(ranks(said), said[:, 1]), Champion(served=Served("3", None)), synthetic=False)

    assert decision["promoted"] is False
    assert "version 3, which is, does not say of what it is a model" in decision["reason"]


def test_lines_differ_by_classes_and_by_what_was_drawn() -> None:
    lines = [PHANTOMS, REAL, Line(False, ("normal", "größer/kleiner"))]

    assert len({line.alias for line in lines}) == 3
    assert [Line.read(line.tags) for line in lines] == lines
    assert Line.read({}) is None


def test_what_cannot_be_compared_is_not_promoted_and_says_why(
    images: ImageFolder, old: Classifier, said: np.ndarray
) -> None:
    same = Classifier(old.graph, tiny_classifier("new").manifest)

    for champion, reason in (
        (Champion(problem="No answer"), "Not compared: the model registry can't be used. No answer."),
        (Champion("3", problem="Too old."), "Not compared: champion version 3 can't be read. Too old."),
        (Champion("3", same), "This is the champion, version 3."),
    ):
        for asked in (champion, replace(champion, served=Served("3", PHANTOMS))):
            decision = decide(images, table(ranks(said), said[:, 1]), asked)

            assert (decision["promoted"], decision["leads"]) == (False, False)
            assert decision["reason"] == reason
            assert decision["champion"] == champion.version
