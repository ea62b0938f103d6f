"""external_validation: what counts, how it is compared, and what is said of it."""

import re
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from chest_cancer.imaging.decoding import decode_image
from chest_cancer.imaging.perceptual_hash import perceptual_hash
from chest_cancer.network.classifier import Classifier
from chest_cancer.parameters.blocks import (
    ExternalValidationParameters,
    FeatureExtractionParameters,
    ModelEvaluationParameters,
    StandardisationParameters,
)
from chest_cancer.pipelines.data_ingestion.nodes import describe_external_source, index_external_images
from chest_cancer.pipelines.external_validation.copies import COPY, SIMILAR, TOGETHER, count_copies, find_copies
from chest_cancer.pipelines.external_validation.figures import compare_figures
from chest_cancer.pipelines.external_validation.nodes import (
    leave_out_copies,
    predict_external_images,
    predict_own_images,
)
from chest_cancer.pipelines.external_validation.recalibration import try_recalibration
from chest_cancer.pipelines.external_validation.report import PLOTS, plot_sites, write_external_report
from chest_cancer.pipelines.external_validation.shift import measure_shift
from chest_cancer.pipelines.external_validation.summing_up import sum_up
from chest_cancer.record.trained_models import OwnImages, TrainedModel
from chest_cancer.sources.image_folder import ImageFolder
from conftest import Pixels
from dicom_files import dicom
from manifests import manifest_of

CLASSES = ["adenocarcinoma", "normal"]
QUICK = ModelEvaluationParameters(bootstrap_repetitions=100)
THERE = ExternalValidationParameters(source="elsewhere")


def model(**belongings: Any) -> TrainedModel:
    return TrainedModel("candidate", Classifier(b"", manifest_of(classes=CLASSES)), **belongings)


def predictions(count: int, seed: int, temperature: float = 1.0, **columns: Any) -> pd.DataFrame:
    """What a model says of images: calibrated at a temperature of 1, and too sure of itself above."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 1.5, count)
    diseased = generator.random(count) < 1 / (1 + np.exp(-logits))
    said = 1 / (1 + np.exp(-temperature * logits))
    return pd.DataFrame(
        {
            "label": np.where(diseased, *CLASSES),
            "predicted": np.where(said >= 0.5, *CLASSES),
            "reason": None,
            "warning": None,
            "group": np.arange(count) // 2,
            "left_out": None,
            "probability_adenocarcinoma": said,
            "probability_normal": 1 - said,
        }
        | columns
    )


def png(pixels: Pixels) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.fixture
def site(
    image_folder: Callable[[dict[str, bytes]], ImageFolder], picture: Callable[..., Pixels]
) -> Callable[..., ImageFolder]:
    """Make another site's images: two of each class."""

    def make(*classes: str) -> ImageFolder:
        names = [f"{name}/{number}.png" for name in classes for number in range(2)]
        return image_folder({name: png(picture(number, 40, 48)) for number, name in enumerate(names)})

    return make


def test_a_class_that_the_model_does_not_know_is_refused_with_the_block_that_settles_it(
    site: Callable[..., ImageFolder],
) -> None:
    with pytest.raises(ValueError, match="external_validation") as error:
        index_external_images(site("Malignant", "Normal"), THERE, CLASSES, b"key")

    assert str(error.value) == (
        "Invalid value received for `external_validation.source`. Expected classes that the model knows: "
        "`adenocarcinoma`, `normal`. Received also: `Malignant`, `Normal`. Say which of the model's classes each of "
        "these is, in conf/local/parameters.yml, or take it out of the source:\n"
        "external_validation:\n"
        "  class_names:\n"
        "    Malignant: '<one of: adenocarcinoma, normal>'\n"
        "    Normal: normal\n"
    )


def test_class_names_make_the_site_s_classes_the_model_s(site: Callable[..., ImageFolder]) -> None:
    named = THERE.model_copy(update={"class_names": {"Malignant": "adenocarcinoma", "Healthy": "normal"}})

    index, quarantine, summary = index_external_images(site("Malignant", "Healthy"), named, CLASSES, b"key")

    assert index["label"].value_counts().to_dict() == {"adenocarcinoma": 2, "normal": 2}
    assert quarantine.empty
    assert summary["images"] == 4


def test_one_class_with_two_images_is_enough(site: Callable[..., ImageFolder]) -> None:
    index, _, summary = index_external_images(site("normal"), THERE, CLASSES, b"key")

    assert index["label"].tolist() == ["normal", "normal"]
    assert summary["patients"] is None


def test_what_is_said_of_the_files_names_the_block_that_they_were_read_by(site: Callable[..., ImageFolder]) -> None:
    small = THERE.model_copy(update={"limits": THERE.limits.model_copy(update={"min_side": 44})})

    with pytest.raises(ValueError, match=r"^Invalid value received for `external_validation\.source`") as error:
        index_external_images(site("normal"), small, CLASSES, b"key")

    assert "`external_validation.limits.min_side`" in str(error.value)
    assert "data_ingestion" not in str(error.value)


def test_a_class_that_is_called_as_a_block_keeps_its_name(site: Callable[..., ImageFolder]) -> None:
    with pytest.raises(
        ValueError, match=r"(?sm)Received also: `data_ingestion`.*^external_validation:\n.*    data_ingestion: '<"
    ) as error:
        index_external_images(site("data_ingestion", "normal"), THERE, CLASSES, b"key")

    assert "`external_validation.source`" in str(error.value)


def test_a_source_that_is_none_is_refused_under_its_own_name() -> None:
    with pytest.raises(ValueError, match=r"`external_validation\.source`.*Received: '/no/such/folder'"):
        describe_external_source(ExternalValidationParameters(source="/no/such/folder"), 17, b"key")


@pytest.fixture
def images() -> tuple[pd.DataFrame, dict[str, Any], pd.DataFrame, dict[str, Any]]:
    """Five external images and three own ones: the first is a copy, the second like one, the third of its patient."""
    axes = np.eye(1024, dtype=np.float32)
    embeddings = np.stack([axes[0], axes[1] + 0.1 * axes[9], axes[2], axes[3], axes[4]])
    generator = np.random.default_rng(3)
    hashes = [perceptual_hash(generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)) for _ in range(8)]
    external = pd.DataFrame(
        {
            "pixel_sha256": ["a", "b", "c", "d", "e"],
            "perceptual_hash": hashes[:5],
            "patient": [None, "p", "p", None, None],
            "study": None,
        }
    )
    own = pd.DataFrame({"perceptual_hash": hashes[5:], "split": ["train", "validation", "test"]})
    return external, {"embedding": embeddings}, own, {"embedding": np.stack([axes[0], axes[1], axes[3]])}


def test_copies_images_that_resemble_one_and_the_rest_of_their_patients_are_left_out(images: tuple) -> None:
    external, looks, own, own_looks = images

    groups, left_out = find_copies(external, looks, own, own_looks, {"a"}, 0.97)

    # The fourth is like a test image, from which nothing was learnt.
    assert left_out.tolist()[:3] == [COPY, SIMILAR, TOGETHER]
    assert left_out[3:].isna().all()
    assert len(set(groups.tolist())) == 4
    assert groups[1] == groups[2]
    assert count_copies(left_out, own, {"a"}, 0.97) == {
        "searched": "likeness",
        "images": 5,
        "copies": 1,
        "similar": 1,
        "together": 1,
        "words": "3 of 5 distinct images are left out: 1 with the pixels of an image that the model has learnt from, 1 "
        "that resemble one (cosine of 0.97 or more, or the same picture); 1 of one patient or study with these.",
    }


def test_without_the_model_s_images_it_is_said_how_far_copies_were_looked_for(images: tuple) -> None:
    external, looks, *_ = images
    nothing = pd.DataFrame()

    _, by_pixels = find_copies(external, looks, nothing, {}, {"a"}, 0.97)
    _, unknown = find_copies(external, looks, nothing, {}, set(), 0.97)

    assert by_pixels.tolist()[:1] == [COPY]
    assert by_pixels[1:].isna().all()
    assert count_copies(by_pixels, nothing, {"a"}, 0.97)["searched"] == "pixels"
    assert unknown.isna().all()
    said = count_copies(unknown, nothing, set(), 0.97)
    assert said["searched"] == "nothing"
    assert "could not be looked for" in said["words"]


def test_the_model_s_own_images_are_seen_as_those_of_the_other_site_are(
    image_folder: Callable[[dict[str, bytes]], ImageFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = image_folder({"normal/a.dcm": dicom()})
    index = pd.DataFrame({"path": files.paths, "pixel_sha256": [decode_image(dicom()).digest], "split": "train"})
    manifest = manifest_of(classes=CLASSES, standardisation={"window": "mediastinum"})
    seeing = TrainedModel("candidate", Classifier(b"", manifest), own_images=OwnImages(files, index))
    seen: list[Pixels] = []

    def predict(_classifier: Classifier, batches: Iterable[Pixels]) -> Iterator[list[SimpleNamespace]]:
        for (image,) in batches:
            seen.append(image)
            yield [SimpleNamespace(**said, embedding=np.zeros(1024))]

    said = {
        "leaning": "normal",
        "distance": 0.0,
        "reason": None,
        "warning": None,
        "probabilities": dict.fromkeys(CLASSES, 0.5),
    }
    monkeypatch.setattr(Classifier, "stream_batches", predict)
    predict_own_images(seeing, ExternalValidationParameters())
    predict_external_images(files, index, seeing, ExternalValidationParameters())

    np.testing.assert_array_equal(seen[0], seen[1])
    assert not np.array_equal(seen[0], files.standardised("normal/a.dcm", StandardisationParameters()).pixels)


def test_a_source_of_training_images_alone_is_refused(images: tuple) -> None:
    external, looks, *_ = images
    learnt = model(learnt=frozenset(external["pixel_sha256"]))

    with pytest.raises(ValueError, match="Received 5 images, all of which are or resemble images that the model has"):
        leave_out_copies(external, looks, pd.DataFrame(), {}, learnt, FeatureExtractionParameters())


def test_a_figure_stands_beside_the_model_s_own_with_the_difference() -> None:
    own = {"value": 0.95, "low": 0.9, "high": 0.98, "n": 200}
    table = predictions(400, seed=1)
    table.loc[:9, "left_out"] = COPY

    figures = compare_figures(table, model(metrics={"roc_auc": own, "patients": "unknown"}), QUICK, seed=3)

    external, difference = figures["roc_auc"]["external"], figures["roc_auc"]["difference"]
    assert external["n"] == 390
    assert figures["roc_auc"]["internal"] == own
    assert difference["value"] == pytest.approx(external["value"] - 0.95)
    assert difference["high"] < 0
    assert figures["accuracy"]["difference"] is None


def test_of_one_class_alone_what_needs_two_is_unknown() -> None:
    table = predictions(60, seed=2).assign(label="normal")

    figures = compare_figures(table, model(), QUICK, seed=3)

    for name in ("roc_auc", "average_precision", "sensitivity"):
        assert figures[name]["external"]["value"] is None, name
    assert figures["specificity"]["external"]["n"] == 60


def test_recalibration_helps_where_a_model_is_too_sure_of_itself_and_changes_little_where_it_is_not() -> None:
    sure, calibrated = (
        try_recalibration(predictions(2000, seed=4, temperature=times), THERE, QUICK, seed=3) for times in (3.0, 1.0)
    )

    assert sure["temperature"] == pytest.approx(3.0, rel=0.2)
    assert sure["gain"]["loss"]["low"] > 0
    assert sure["gain"]["brier"]["low"] > 0
    assert sure["after"]["ece"]["value"] < sure["before"]["ece"]["value"]
    assert sure["fitted_on"] == {"images": 400, "groups": 200}
    assert sure["measured_on"] == {"images": 1600, "groups": 800}
    assert calibrated["temperature"] == pytest.approx(1.0, rel=0.2)
    assert abs(calibrated["gain"]["loss"]["value"]) < 0.01


def test_of_few_patients_no_recalibration_is_tried() -> None:
    assert try_recalibration(predictions(80, seed=4), THERE, QUICK, seed=3) == {}


def test_a_shift_is_found_where_there_is_one_and_not_where_there_is_none() -> None:
    generator = np.random.default_rng(5)

    def looks(count: int, shift: float) -> dict[str, Any]:
        grey = generator.dirichlet(np.ones(256), count).astype(np.float32)
        return {
            "embedding": generator.normal(shift, 1, (count, 1024)).astype(np.float32),
            "grey": np.sort(grey, axis=1) if shift else grey,
        }

    there, own = predictions(60, seed=6), pd.DataFrame({"group": np.arange(60)})
    same = measure_shift(there, looks(60, 0.0), own, looks(60, 0.0), QUICK, seed=7)
    other = measure_shift(there, looks(60, 1.0), own, looks(60, 0.0), QUICK, seed=7)

    assert same["embedding"]["low"] < 0.5
    assert same["intensity"]["low"] == 0
    assert other["embedding"]["low"] > 0.9
    assert other["intensity"]["low"] > 20
    assert measure_shift(there, looks(60, 0.0), pd.DataFrame(), {}, QUICK, seed=7) == {}
    alone = measure_shift(there.assign(group=0), looks(60, 1.0), own.assign(group=0), looks(60, 0.0), QUICK, seed=7)
    assert alone["embedding"] is None
    assert (alone["intensity"]["low"], alone["intensity"]["high"]) == (0, 255)
    assert alone["intensity"]["value"] > 20


SUMMARY = {
    "location": "/home/ada/doe_john/elsewhere", "kind": "folder", "synthetic": False, "files": 60, "quarantined": 0,
    "images": 60, "distinct_by_pixels": 60, "notes": [], "odd": [],
}  # fmt: skip


def test_it_is_said_what_the_difference_tells_and_what_the_figures_do_not_support() -> None:
    table = predictions(60, seed=2).assign(label="normal")
    tested = model(metrics={"accuracy": {"value": 0.99, "low": 0.97, "high": 1.0, "n": 300}})
    figures = compare_figures(table, tested, QUICK, seed=3)
    copies = count_copies(table["left_out"], pd.DataFrame(), set(), 0.97)

    facts = sum_up(tested, SUMMARY, table, copies, figures, {}, {})

    (sentence,) = facts["verdict"]
    assert sentence.startswith("Answered rightly (accuracy): 0.")
    assert sentence.endswith(": it is lower there.")
    assert facts["compared"]["classes"]["adenocarcinoma"] == {"images": 0, "groups": 0}
    assert facts["patients"] == "unknown"
    assert [found["title"] for found in facts["limitations"]] == [
        "Synthetic data",
        "Copies of training images",
        "A class without images",
        "Unknown patients",
        "One other site",
    ]


@pytest.mark.parametrize(("normal", "is_said"), [(0.5, False), (0.9, True)])
def test_another_share_of_classes_is_a_limitation_as_accuracy_depends_on_it(normal: float, is_said: bool) -> None:
    """At both sites 0.9 of the diseased and 0.6 of the others are found: accuracy is 0.75 here and 0.63 there."""

    def of(count: int, share: float) -> pd.DataFrame:
        is_normal = np.arange(count) < share * count
        right = np.where(is_normal, np.arange(count) % 10 < 6, np.arange(count) % 10 < 9)
        label = np.where(is_normal, *CLASSES[::-1])
        return predictions(count, seed=2, label=label, predicted=np.where(right, label, np.where(is_normal, *CLASSES)))

    own = {name: sides["external"] for name, sides in compare_figures(of(400, 0.5), model(), QUICK, seed=3).items()}
    figures = compare_figures(of(400, normal), model(metrics=own), QUICK, seed=3)
    table = of(400, normal)

    facts = sum_up(
        model(metrics=own),
        SUMMARY,
        table,
        count_copies(table["left_out"], pd.DataFrame(), set(), 0.97),
        figures,
        {},
        {},
    )

    told = {found["title"]: found["text"] for found in facts["limitations"]}
    assert figures["sensitivity"]["difference"]["value"] == pytest.approx(0)
    assert figures["specificity"]["difference"]["value"] == pytest.approx(0)
    assert ("Other shares of classes" in told) is is_said
    if is_said:
        assert facts["verdict"][-2].endswith("it is lower there.")
        assert told["Other shares of classes"].startswith(
            "0.10 of the images there are adenocarcinoma, and 0.50 of the model's own test images."
        )


def test_without_figures_of_its_own_nothing_is_compared() -> None:
    table = predictions(60, seed=2)
    figures = compare_figures(table, model(), QUICK, seed=3)

    facts = sum_up(
        model(), SUMMARY, table, count_copies(table["left_out"], pd.DataFrame(), set(), 0.97), figures, {}, {}
    )

    assert facts["verdict"][0].startswith("Nothing can be compared")
    assert "No figures to compare with" in [found["title"] for found in facts["limitations"]]


@pytest.mark.parametrize("labels", [CLASSES, ["normal"]])
def test_the_page_says_what_is_known_of_a_model_whose_images_are_elsewhere(labels: list[str]) -> None:
    table = predictions(60, seed=2)
    table["label"] = table["label"].where(table["label"].isin(labels), labels[0])
    looks = {"grey": np.full((60, 256), 1 / 256, dtype=np.float32)}
    figures = compare_figures(table, model(), QUICK, seed=3)
    copies = count_copies(table["left_out"], pd.DataFrame(), set(), 0.97)
    facts = sum_up(model(), SUMMARY, table, copies, figures, {}, {})
    plots = dict(zip(PLOTS, plot_sites(table, looks, pd.DataFrame(), {}, model(), QUICK), strict=True))

    page = write_external_report(facts, pd.DataFrame(columns=["path", "reason"]), model(), QUICK, **plots)

    assert "Not measured: the images that the model was made from are missing here, or were changed." in page
    assert "Too few patients to try another temperature" in page
    assert "could not be looked for" in page
    assert "<code>elsewhere</code>" in page
    assert "doe_john" not in page
    sections = re.findall(r'<details class="section" id="(\w+)"( open)?>', page)
    assert [name for name, _ in sections] == ["figures", "calibration", "shift", "data"]
    assert [name for name, is_open in sections if is_open] == ["figures"]
    assert ("sensitivity" in plots["roc"].to_json()) == (len(labels) == 2)
