"""A study's answer: slice by slice, and together by the classifier's rule for patients."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chest_cancer.imaging.decoding import decode_image
from chest_cancer.imaging.lungs import NO_LUNG
from chest_cancer.imaging.pixels import UnreadableImageError
from chest_cancer.imaging.volumes.volume import Volume
from chest_cancer.network.answers import NOT_SURE
from chest_cancer.network.classifier import Classifier
from chest_cancer.network.graph import classifier
from chest_cancer.network.heads.head import Head
from chest_cancer.network.manifest import Limits
from chest_cancer.network.patients import PatientRule
from chest_cancer.network.studies import WITHOUT_LUNG, answer_slices, driving_slices, predict_study
from chest_cancer.network.vgg16 import Weights
from manifests import PATIENT_RULE, manifest_of
from serving import tiny_classifier
from volume_files import Files, belly, ct_slice, opener, read_study, series, stack

RULE = PATIENT_RULE | {"rule": "top-k mean", "k": 2, "threshold": 0.0}


@pytest.fixture(scope="module")
def trained(narrow_weights: Weights, random_head: Callable[..., Head]) -> Classifier:
    graph = classifier(narrow_weights, random_head(9, 2, temperature=20.0)).SerializeToString()
    return Classifier(graph, manifest_of(patient_rule=RULE))


def volume_of(files: Files) -> Volume:
    (volume,) = read_study(files, opener(files)).volumes
    return volume


def with_manifest(trained: Classifier, **changes: Any) -> Classifier:
    """The same network, compiled once, under another manifest."""
    other = Classifier(trained.graph, manifest_of(**{"patient_rule": RULE} | changes))
    other.__dict__["_network"] = trained._network
    return other


@pytest.mark.parametrize("window", ["lung", "three", "file"])
def test_a_study_gets_the_answers_that_its_slices_get_as_files_to_the_last_digit(
    trained: Classifier, window: str
) -> None:
    seen = with_manifest(trained, standardisation={"brightness": "percentile", "crop": "body", "window": window})
    slices = stack()[:3]
    files = {
        f"{number}.dcm": ct_slice(slice_, -2.5 * number, WindowCenter=-600 + 300 * number, WindowWidth=900)
        for number, slice_ in enumerate(slices)
    }
    volume = volume_of(files)

    answer = predict_study(seen, volume)

    expected = seen.predict([seen.pixels_of(decode_image(files[name])) for name in ("2.dcm", "1.dcm", "0.dcm")])
    for found, alone in zip(answer.slices, expected, strict=True):
        assert found.prediction is not None
        assert found.prediction.probabilities == alone.probabilities
        np.testing.assert_array_equal(found.prediction.evidence, alone.evidence)
        assert (found.prediction.distance, found.reason) == (alone.distance, alone.reason)


def test_a_study_is_read_by_the_rule_for_patients_from_its_slices_with_lung(trained: Classifier) -> None:
    lungs = stack()[:3]
    empty = belly(lungs[0])
    volume = volume_of(series(np.stack([empty, *lungs, lungs[1], empty])))

    answer = predict_study(trained, volume)

    assert [slice_.reason for slice_ in answer.slices] == [NO_LUNG, None, None, None, None, NO_LUNG]
    assert [slice_.position for slice_ in answer.slices] == volume.positions.tolist()
    stated = np.array([list(slice_.prediction.probabilities.values()) for slice_ in answer.slices if slice_.prediction])
    # The picture that is there twice counts once, and the rule looks at the two highest.
    rule = PatientRule.of(trained.manifest)
    assert rule is not None
    assert answer.reading == rule.read(stated[:3])
    highest = np.argsort(-stated[:3, 0])[:2]
    assert [(one.number, one.probability) for one in answer.driving] == [(n + 1, stated[n, 0]) for n in highest]
    assert all(one.prediction is answer.slices[one.number].prediction for one in answer.driving)
    assert (answer.with_lung, answer.declined, answer.reason) == (4, 0, None)
    assert answer.share_without_lung == pytest.approx(2 / 6)


def test_a_classifier_that_has_learnt_from_slices_without_lung_answers_such_slices(trained: Classifier) -> None:
    lungs = stack()[:2]
    volume = volume_of(series(np.stack([belly(lungs[0]), *lungs])))

    answer = predict_study(with_manifest(trained, slices_without_lung=True), volume)

    assert (answer.with_lung, answer.share_without_lung) == (3, 0)
    assert NO_LUNG not in [one.reason for one in answer.slices]


def test_declined_slices_count_and_are_told(trained: Classifier) -> None:
    limits = Limits(
        distance_limit=1e9, confidence_limit=1.1, validation_images=9, validation_refused=0.0, validation_unsure=0.0
    )
    never_sure = with_manifest(trained, abstention=limits)

    answer = predict_study(never_sure, volume_of(series(stack()[:2])))

    assert [slice_.reason for slice_ in answer.slices] == [NOT_SURE, NOT_SURE]
    assert (answer.share_declined, answer.share_without_lung) == (1, 0)
    assert answer.reading is not None


def test_a_classifier_without_a_rule_reads_no_study_and_says_why(trained: Classifier) -> None:
    answer = predict_study(with_manifest(trained, patient_rule=None), volume_of(series(stack()[:2])))

    assert (answer.reading, answer.driving) == (None, ())
    assert answer.reason == "the classifier has no rule for patients: its patients were not known in training"
    assert answer.with_lung == 2


def test_a_study_without_lung_is_not_read(trained: Classifier) -> None:
    empty = belly(stack()[0])

    answer = predict_study(trained, volume_of(series(np.stack([empty, empty]))))

    assert (answer.reading, answer.driving, answer.reason) == (None, (), WITHOUT_LUNG)
    assert (answer.share_without_lung, answer.share_declined) == (1, 0)


def test_an_older_classifier_refuses_hounsfield_units(trained: Classifier) -> None:
    older = with_manifest(trained, preprocessing_version=1)

    with pytest.raises(UnreadableImageError, match="read in another way since this classifier was trained"):
        predict_study(older, volume_of(series(stack()[:2])))


def test_the_slices_that_drive_a_reading_are_those_most_probably_positive() -> None:
    rule = PatientRule("noisy-or", (0, 2), 0.0, 2)
    probabilities = np.array([[0.1, 0.9, 0.0], [0.2, 0.3, 0.5], [0.4, 0.6, 0.0]])

    assert driving_slices(rule, probabilities) == [1, 2]
    assert driving_slices(rule, probabilities[:1]) == [0]


def test_slices_are_answered_from_the_feet_each_as_soon_as_it_is_predicted(monkeypatch: pytest.MonkeyPatch) -> None:
    slices = stack(8)
    volume = volume_of(series(np.concatenate([[belly(slices[0])], slices[1:6], [belly(slices[6])]])))
    taken: list[int] = []
    take = Volume.image
    monkeypatch.setattr(Volume, "image", lambda self, number: (taken.append(number), take(self, number))[1])

    classifier = tiny_classifier()
    classifier.batch = 1
    answers = answer_slices(classifier, volume)
    first = next(answers)
    while_first = len(taken)
    rest = list(answers)

    assert while_first < len(volume)
    assert [answer.number for answer in (first, *rest)] == list(range(7))
    assert [answer.reason for answer in (first, *rest)] == [NO_LUNG, *[None] * 5, NO_LUNG]
    together = predict_study(tiny_classifier(), volume).slices
    for one, other in zip((first, *rest), together, strict=True):
        assert (one.digest, one.frame) == (other.digest, other.frame)
        assert (one.prediction is None) == (other.prediction is None)
