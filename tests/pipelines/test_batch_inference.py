"""batch_inference: a row for every file, and a reason where there is no prediction."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pydantic import ValidationError

from chest_cancer.datasets.image_folder_dataset import ImageFolderDataset
from chest_cancer.imaging.lungs import NO_LUNG
from chest_cancer.network import cuda, devices
from chest_cancer.network.answers import NOT_SURE, UNLIKE_TRAINING
from chest_cancer.network.classifier import Classifier
from chest_cancer.network.manifest import Limits
from chest_cancer.network.studies import WITHOUT_LUNG, predict_study
from chest_cancer.parameters.blocks import BatchInferenceParameters
from chest_cancer.pipelines.batch_inference import create_pipeline, nodes
from chest_cancer.pipelines.batch_inference.nodes import describe_inference_source, predict_images
from chest_cancer.pipelines.batch_inference.patients import gather_patients, gather_studies
from chest_cancer.sources.identifiers import hidden, keyed_hash
from chest_cancer.sources.image_files import ImageFiles
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.sources.image_source import ImageSource
from conftest import Pixels
from dicom_files import STORED, dicom
from manifests import PATIENT_RULE, manifest_of
from tiny_classifier import tiny_classifier
from volume_files import belly, ct_slice, nifti, opener, read_study, series, stack

CLASSES = ["adenocarcinoma", "normal"]
KEY = bytes(32)


@pytest.fixture(scope="module")
def trained() -> Classifier:
    return tiny_classifier()


@pytest.fixture(autouse=True)
def threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the place of processes, which take a second to begin; test_batch_kill.py has these."""
    monkeypatch.setattr(nodes, "Processes", lambda count, preload: ThreadPoolExecutor(count))


def png(pixels: Pixels) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def predict(folder: ImageFolder, classifier: Classifier, way: str = "auto", key: bytes = KEY) -> pd.DataFrame:
    planned, _, _ = predict_images(ImageFiles.of_copies(folder), classifier, BatchInferenceParameters(patient=way), key)
    parts = [rows for _, rows in planned.compute(list(planned.asked))]
    return pd.concat(parts).sort_values("path", ignore_index=True)


def test_every_file_has_a_row(
    trained: Classifier, image_folder: Callable[[dict[str, bytes]], ImageFolder], picture: Callable[..., Pixels]
) -> None:
    folder = image_folder(
        {
            "b.png": png(picture(1, 50, 60)),
            "a.png": png(picture(0, 40, 48)),
            "deep/er/c.png": png(picture(2, 33, 44)),
            "broken.png": b"not an image",
        }
    )
    folder = ImageFolder(folder.root, folder.source, refused=(("huge.png", "too large"),))

    table = predict(folder, trained)

    assert table.columns.tolist() == [
        "path", "patient", "study", "series", "label", "probability", "probability_adenocarcinoma",
        "probability_normal", "reason", "warning", "pixel_sha256",
    ]  # fmt: skip
    table = table.set_index("path")
    assert sorted(table.index) == ["a.png", "b.png", "broken.png", "deep/er/c.png", "huge.png"]
    for path, pixels in {
        "a.png": picture(0, 40, 48),
        "b.png": picture(1, 50, 60),
        "deep/er/c.png": picture(2, 33, 44),
    }.items():
        (expected,) = trained.predict([pixels])
        assert table.loc[path, "label"] == expected.label
        assert table.loc[path, "probability"] == pytest.approx(expected.probability, abs=1e-5)
        assert table.loc[path, "probability_normal"] == pytest.approx(expected.probabilities["normal"], abs=1e-5)
        assert not isinstance(table.loc[path, "reason"], str)
    assert table.loc["huge.png", "reason"] == "too large"
    assert "DICOM" in table.loc["broken.png", "reason"]
    assert np.isnan(table.loc[["broken.png", "huge.png"], "probability"]).all()


def test_rows_are_the_same_on_a_gpu_and_the_log_says_where_they_were_computed(
    trained: Classifier,
    image_folder: Callable[[dict[str, bytes]], ImageFolder],
    picture: Callable[..., Pixels],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    folder = image_folder({f"{number}.png": png(picture(number, 40, 48)) for number in range(3)})
    expected = predict(folder, trained)
    monkeypatch.setattr(devices, "gpu_problem", lambda: None)
    monkeypatch.setattr(cuda, "PROVIDER", "CPUExecutionProvider")  # in the place of a GPU's

    table = predict(folder, trained)

    pd.testing.assert_frame_equal(table, expected, rtol=0, atol=1e-3)
    said = [message for message in caplog.messages if message.startswith("Predicting ")]
    assert said == [f"Predicting 3 of 3 files ({device}, fp32)." for device in ("cpu", "cuda")]


def test_a_volume_has_a_row_for_each_of_its_slices(trained: Classifier, tmp_path: Path) -> None:
    (tmp_path / "scan.nii").write_bytes(nifti(stack(2)))
    images = ImageFolderDataset(filepath=str(tmp_path / "data" / "images"))
    images.save(ImageSource(location=str(tmp_path / "scan.nii"), key=KEY))

    table = predict(images.load(), trained)

    assert table["path"].tolist() == ["scan.nii/slice_0001.dcm", "scan.nii/slice_0002.dcm"]
    assert table["label"].isin(CLASSES).all()
    assert gather_studies([table], trained)[["slices", "without_lung"]].to_numpy().tolist() == [[2, 0]]


def test_what_is_declined_has_a_reason_and_the_probabilities_but_no_label(
    trained: Classifier, image_folder: Callable[[dict[str, bytes]], ImageFolder], picture: Callable[..., Pixels]
) -> None:
    limits = Limits(
        distance_limit=1e9, confidence_limit=1.1, validation_images=9, validation_refused=0.0, validation_unsure=0.0
    )
    unlike = limits.model_copy(update={"usual_distance": -1.0, "confidence_limit": 0.0})
    never_sure, always_far = (
        Classifier(trained.graph, trained.manifest.model_copy(update={"abstention": chosen}))
        for chosen in (limits, unlike)
    )
    images = image_folder({"a.png": png(picture(0, 40, 48))})

    row, warned = (predict(images, classifier).iloc[0] for classifier in (never_sure, always_far))

    assert row["reason"] == NOT_SURE
    assert row[["label", "probability", "warning"]].isna().all()
    assert warned["warning"] == UNLIKE_TRAINING
    assert warned[["reason", "probability"]].isna().all()
    assert warned["label"] in CLASSES
    assert row["probability_adenocarcinoma"] + row["probability_normal"] == pytest.approx(1)


def test_an_older_classifier_answers_what_is_decoded_as_it_was_then(
    trained: Classifier, image_folder: Callable[[dict[str, bytes]], ImageFolder], picture: Callable[..., Pixels]
) -> None:
    older = Classifier(trained.graph, trained.manifest.model_copy(update={"preprocessing_version": 1}))

    table = predict(image_folder({"a.png": png(picture(0, 40, 48)), "b.dcm": dicom()}), older)

    assert table["path"].tolist() == ["a.png", "b.dcm"]
    assert table["label"].notna().tolist() == [True, False]
    assert "read in another way since this classifier was trained" in table["reason"][1]


def test_a_source_without_a_file_is_refused(
    trained: Classifier, image_folder: Callable[[dict[str, bytes]], ImageFolder]
) -> None:
    folder = image_folder({"a.png": b""})
    (folder.root / "a.png").unlink()

    words = r"`batch_inference\.source`\. Expected at least one file\. Received: 'here', which has none"
    with pytest.raises(ValueError, match=words):
        predict(folder, trained)


def test_a_source_that_is_none_is_refused_under_its_own_name() -> None:
    with pytest.raises(ValueError, match=r"`batch_inference\.source`.*Received: '/no/such/folder'"):
        describe_inference_source(BatchInferenceParameters(source="/no/such/folder"), KEY)


def test_the_pipeline_goes_from_a_source_and_the_classifier_to_predictions() -> None:
    pipeline = create_pipeline()

    assert pipeline.inputs() == {"params:batch_inference", "classifier", "patient_key"}
    assert pipeline.outputs() == {"predictions_list", "predictions_gallery"}
    assert {"predictions", "patient_predictions", "study_predictions", "batch_summary"} < pipeline.all_outputs()


def slices(**elements: Callable[[int], object]) -> dict[str, bytes]:
    """Four CT slices, whose elements are made of their number."""
    return {
        f"{number}.dcm": dicom(
            STORED + np.int16(number), **{keyword: make(number) for keyword, make in elements.items()}
        )
        for number in range(4)
    }


@pytest.mark.parametrize("in_files", [str, partial(hidden, KEY, "patient")], ids=["as they are", "as in copies"])
def test_patients_of_dicom_are_known_by_hashes_and_unknown_where_that_is_asked_for(
    trained: Classifier,
    image_folder: Callable[[dict[str, bytes]], ImageFolder],
    picture: Callable[..., Pixels],
    in_files: Callable[[str], str],
) -> None:
    files = slices(
        PatientID=lambda number: in_files(f"Jane Doe {number // 2}"),
        StudyInstanceUID=lambda number: f"1.2.{number // 2}",
    )
    folder = image_folder(files | {"a.png": png(picture(0, 40, 48))})

    table = predict(folder, trained).set_index("path")
    unknown = predict(folder, trained, "unknown")

    first, second = (keyed_hash(KEY, "patient", f"Jane Doe {number}") for number in range(2))
    assert table["patient"][:4].tolist() == [first, first, second, second]
    assert table["patient"].isna().tolist() == [False] * 4 + [True]
    assert unknown["patient"].isna().all()
    assert "Jane" not in table.to_csv()


def test_one_patient_id_for_all_studies_is_taken_at_its_word_only_where_that_is_asked_for(
    trained: Classifier,
    image_folder: Callable[[dict[str, bytes]], ImageFolder],
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = image_folder(
        slices(PatientID=lambda number: "ANONYMOUS", StudyInstanceUID=lambda number: f"1.2.{number // 2}")
    )

    assert predict(folder, trained)["patient"].isna().all()
    assert "All 4 DICOM files have the same PatientID, but are of 2 studies" in caplog.text
    assert "ANONYMOUS" not in caplog.text
    assert predict(folder, trained, "dicom")["patient"].unique().size == 1


def test_what_is_filled_in_for_a_patient_id_names_nobody_in_a_batch_either(
    trained: Classifier,
    image_folder: Callable[[dict[str, bytes]], ImageFolder],
    caplog: pytest.LogCaptureFixture,
) -> None:
    names = ("UNKNOWN", "UNKNOWN", "Doe", "Doe")
    folder = image_folder(slices(PatientID=names.__getitem__, StudyInstanceUID=lambda number: f"1.2.{number}"))

    table = predict(folder, trained)

    assert table["patient"].isna().tolist() == [True, True, False, False]
    assert table["patient"][2] == table["patient"][3]
    assert "2 images of 2 studies have a PatientID that stands for no patient" in caplog.text
    assert "UNKNOWN" not in caplog.text
    assert predict(folder, trained, "dicom")["patient"].nunique() == 2


def test_patients_are_read_off_paths_by_an_expression_also_of_what_cannot_be_read(
    trained: Classifier, image_folder: Callable[[dict[str, bytes]], ImageFolder], picture: Callable[..., Pixels]
) -> None:
    folder = image_folder({"Doe/1.png": png(picture(0, 40, 48)), "Doe/2.png": b"broken", "3.png": b"broken"})
    folder = ImageFolder(folder.root, folder.source, refused=(("Roe/4.png", "too large"),))

    table = predict(folder, trained, "^(?P<patient>[^/]+)/").set_index("path")
    other = predict(folder, trained, "^(?P<patient>[^/]+)/", b"another").set_index("path")

    assert table.loc["Doe/1.png", "patient"] == table.loc["Doe/2.png", "patient"] != table.loc["Roe/4.png", "patient"]
    assert table["patient"].isna().sum() == 1
    assert not {*table["patient"].dropna()} & {*other["patient"].dropna()}


@pytest.mark.parametrize("way", ["dicom", r"case_(?P<patient>\d+)"])
def test_a_way_that_finds_nobody_stops_the_run_before_anything_is_predicted(
    image_folder: Callable[[dict[str, bytes]], ImageFolder], picture: Callable[..., Pixels], way: str
) -> None:
    words = r"`batch_inference\.patient`.* which finds none, such as of 'a\.png'\. Correct it, or use `unknown`"
    with pytest.raises(ValueError, match=words):
        predict(image_folder({"a.png": png(picture(0, 40, 48))}), cast(Classifier, None), way)


@pytest.mark.parametrize("way", ["table", "<class>/<patient>/<file>", "folders"])
def test_a_way_that_is_none_is_refused_with_those_there_are(way: str) -> None:
    words = r"expected auto, dicom, unknown or a regular expression with a group \(\?P<patient>…\)"
    with pytest.raises(ValidationError, match=words):
        BatchInferenceParameters(patient=way)


def test_phantoms_are_known_without_a_word(
    trained: Classifier, image_folder: Callable[[dict[str, bytes]], ImageFolder], picture: Callable[..., Pixels]
) -> None:
    folder = image_folder({f"normal/patient_0001_slice_{n}.png": png(picture(n, 40, 48)) for n in range(2)})
    synthetic = ImageFolder(folder.root, replace(folder.source, kind="phantom", synthetic=True))

    assert predict(synthetic, trained)["patient"].unique().size == 1
    assert predict(folder, trained)["patient"].isna().all()


RULE = PATIENT_RULE | {"rule": "top-k mean", "k": 1, "threshold": 0.0}
PREDICTIONS = pd.DataFrame(
    {
        "path": ["1", "2", "3", "4", "5", "6", "7"],
        "patient": ["y", "y", "y", "y", "z", "x", None],
        "label": ["adenocarcinoma", None, None, None, None, "normal", "normal"],
        "probability_adenocarcinoma": [0.9, 0.6, 0.6, np.nan, np.nan, 0.2, 0.9],
        "probability_normal": [0.1, 0.4, 0.4, np.nan, np.nan, 0.8, 0.1],
        "reason": [None, NOT_SURE, NOT_SURE, "damaged", "damaged", None, None],
        "pixel_sha256": ["a", "b", "b", None, None, "c", "d"],
    }
)


def test_a_batch_has_a_row_for_each_patient_who_is_known() -> None:
    ruled = Classifier(b"", manifest_of(classes=CLASSES, patient_rule=RULE))

    table = gather_patients([PREDICTIONS], ruled)

    assert table.columns.tolist() == [
        "patient", "slices", "without_lung", "declined", "unreadable", "rule", "score", "threshold",
        "probability", "reads_positive", "reason",
    ]  # fmt: skip
    assert table["patient"].tolist() == ["x", "y", "z"]
    counts = table[["slices", "without_lung", "declined", "unreadable"]].to_numpy().tolist()
    assert counts == [[1, 0, 0, 0], [2, 0, 1, 1], [0, 0, 0, 1]]  # the picture that is there twice counts once
    assert table["score"][:2].tolist() == pytest.approx([np.log(0.25), np.log(9)])
    assert table["probability"][:2].tolist() == pytest.approx([0.2, 0.9])
    assert table["reads_positive"][:2].tolist() == [False, True]
    assert table.loc[2, ["rule", "score", "threshold", "probability", "reads_positive"]].isna().all()
    assert table["reason"].isna().tolist() == [True, True, False]
    assert table["reason"][2] == "none of its files can be read"


def test_a_classifier_without_a_rule_answers_for_no_patient_and_says_why() -> None:
    table = gather_patients([PREDICTIONS], Classifier(b"", manifest_of(classes=CLASSES)))

    assert table["slices"].tolist() == [1, 2, 0]
    assert set(table["reason"]) == {"the classifier has no rule for patients: its patients were not known in training"}
    assert table[["rule", "score", "reads_positive"]].isna().all(axis=None)


def test_a_batch_of_unknown_patients_gives_an_empty_table_of_the_same_types() -> None:
    ruled = Classifier(b"", manifest_of(classes=CLASSES, patient_rule=RULE))
    nobody = PREDICTIONS.assign(patient=pd.Series([None] * len(PREDICTIONS), dtype=object))

    empty, table = gather_patients([nobody], ruled), gather_patients([PREDICTIONS], ruled)

    assert empty.empty
    assert empty.dtypes.equals(table.dtypes)


def test_slices_without_lung_are_told_and_count_neither_for_patients_nor_for_studies(
    trained: Classifier, image_folder: Callable[[dict[str, bytes]], ImageFolder]
) -> None:
    ruled = Classifier(trained.graph, manifest_of(classes=CLASSES, patient_rule=RULE | {"k": 2}))
    lungs = stack()[:3]
    files = series(np.stack([belly(lungs[0]), *lungs]), StudyInstanceUID="1.2", SeriesInstanceUID="1.2.3")
    files |= {"other.dcm": ct_slice(belly(lungs[0]) + 1, 0, StudyInstanceUID="1.3", SeriesInstanceUID="1.3.3")}

    table = predict(image_folder(files), ruled, "dicom")
    studies = gather_studies([table], ruled).set_index("study")
    patients = gather_patients([table], ruled)

    without = table[table["reason"] == NO_LUNG]
    assert len(without) == 2
    assert without[["label", "probability", "probability_normal"]].isna().all(axis=None)
    whole, empty = studies.loc[keyed_hash(KEY, "study", "1.2")], studies.loc[keyed_hash(KEY, "study", "1.3")]
    assert whole["series"] == keyed_hash(KEY, "series", "1.2.3")
    assert whole["patient"] == keyed_hash(KEY, "patient", "4711")
    assert whole[["slices", "without_lung", "declined"]].tolist() == [3, 1, 0]
    assert empty[["slices", "without_lung", "reason"]].tolist() == [0, 1, WITHOUT_LUNG]
    assert patients[["slices", "without_lung"]].to_numpy().tolist() == [[3, 2]]
    # The same as of the volume.
    (volume,) = read_study(files.keys() - {"other.dcm"}, opener(files)).volumes
    answer = predict_study(ruled, volume)
    assert answer.reading is not None
    assert whole["score"] == pytest.approx(answer.reading.score, abs=1e-4)
    assert whole["driving"] == [volume.origins[one.number].file for one in answer.driving]


def test_slices_without_lung_are_answered_by_a_classifier_that_has_learnt_from_such(
    trained: Classifier, image_folder: Callable[[dict[str, bytes]], ImageFolder]
) -> None:
    manifest = manifest_of(classes=CLASSES, patient_rule=RULE | {"k": 2}, slices_without_lung=True)
    ruled = Classifier(trained.graph, manifest)
    lungs = stack()[:2]

    table = predict(image_folder(series(np.stack([belly(lungs[0]), *lungs]))), ruled, "dicom")

    assert NO_LUNG not in set(table["reason"])
    assert table["probability_normal"].notna().all()
    assert gather_patients([table], ruled)[["slices", "without_lung"]].to_numpy().tolist() == [[3, 0]]


def test_studies_are_told_apart_by_series_and_pictures_are_of_none() -> None:
    ruled = Classifier(b"", manifest_of(classes=CLASSES, patient_rule=RULE))
    table = PREDICTIONS.assign(
        study=["s", "s", "s", None, None, "t", None], series=["a", "b", "b", None, None, "c", None]
    )

    studies, none = gather_studies([table], ruled), gather_studies([table.assign(study=None)], ruled)

    assert studies.columns.tolist() == [
        "study", "series", "patient", "slices", "without_lung", "declined", "rule", "score", "threshold",
        "probability", "reads_positive", "driving", "reason",
    ]  # fmt: skip
    assert studies[["study", "series", "slices"]].to_numpy().tolist() == [["s", "a", 1], ["s", "b", 1], ["t", "c", 1]]
    assert studies["driving"].tolist() == [["1"], ["2"], ["6"]]
    assert none.empty
    assert none.dtypes.equals(studies.dtypes)
