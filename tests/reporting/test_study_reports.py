"""A study's answer as DICOM for the archive: valid, complete, and with nothing that the study's files don't say."""

import io
import json
import logging
import shutil
import subprocess
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from highdicom.sr import ComprehensiveSR
from pydicom.dataset import Dataset
from pydicom.filereader import dcmread
from pydicom.uid import SecondaryCaptureImageStorage

from chest_cancer import cli
from chest_cancer.imaging.decoding import without_identifiers
from chest_cancer.imaging.volumes.volume import Volume
from chest_cancer.network.answers import NOT_A_CHEST_CT_SLICE, NOT_SURE
from chest_cancer.network.classifier import Classifier, Prediction
from chest_cancer.network.patients import PatientReading
from chest_cancer.network.studies import DrivingSlice, SliceAnswer, StudyAnswer
from chest_cancer.reporting import study_answers
from chest_cancer.reporting.dicom.headers import RESEARCH
from chest_cancer.reporting.served_model import NO_PERSON, ServedModel
from chest_cancer.reporting.study_answers import NoStudyError, answer_studies
from chest_cancer.sources.identifiers import hidden
from chest_cancer.storage.figures import StoredFigure
from manifests import PATIENT_RULE, manifest_of
from volume_files import Files, enhanced, heights, nifti, series, stack

SLICES = stack()[:4]
PATIENT: dict[str, Any] = {
    "PatientName": "Roe^Jane", "PatientBirthDate": "19500102", "PatientSex": "F", "StudyDate": "20260102",
    "StudyTime": "101112", "StudyID": "7", "AccessionNumber": "A7", "ReferringPhysicianName": "Poe^Ed",
}  # fmt: skip
FIGURES: dict[str, StoredFigure] = {"patient_sensitivity": {"value": 0.8, "low": 0.6, "high": 0.9, "n": 25}}
CLASSIFIER = Classifier(b"graph", manifest_of(patient_rule=PATIENT_RULE))


def answer_of(volume: Volume, classifier: Classifier) -> StudyAnswer:
    """What a network might say: the first slice shows no lung, the last one drives the reading."""
    predictions = [
        Prediction(
            leaning="adenocarcinoma",
            probabilities={"adenocarcinoma": probability, "normal": 1 - probability},
            embedding=np.zeros(4, np.float32),
            evidence=np.random.default_rng(1).normal(size=(2, 7, 7)).astype(np.float32),
            reason=NOT_SURE if probability == 0.5 else None,
        )
        for probability in np.linspace(0.5, 0.9, len(volume) - 1)
    ]
    slices = [
        SliceAnswer(number, float(position), prediction)
        for number, (position, prediction) in enumerate(zip(volume.positions, [None, *predictions], strict=True))
    ]
    if classifier.manifest.patient_rule is None:
        return StudyAnswer(tuple(slices), None, (), "the classifier has no rule for patients")
    reading = PatientReading("noisy-or", 3.25, 0.5, 0.9627, True)
    driving = (DrivingSlice(len(volume) - 1, 0.9, predictions[-1]), DrivingSlice(1, 0.5, predictions[0]))
    return StudyAnswer(tuple(slices), reading, driving, None)


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network's part takes seconds, and is tested where it is."""
    monkeypatch.setattr(study_answers, "predict_study", lambda classifier, volume: answer_of(volume, classifier))


def write(files: Files, folder: Path) -> Path:
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def answer(files: Files, tmp_path: Path, classifier: Classifier = CLASSIFIER) -> tuple[list[str], dict[str, Dataset]]:
    out = tmp_path / "out"
    lines = list(answer_studies(write(files, tmp_path / "in"), out, ServedModel(classifier, FIGURES, "4", 0.9)))
    return lines, {path.relative_to(out).as_posix(): dcmread(path) for path in sorted(out.rglob("*.dcm"))}


def texts(report: Dataset) -> str:
    """All texts of a report, however deep."""
    found = [str(element.value) for element in report.iterall() if element.keyword == "TextValue"]
    return "\n".join(found)


@pytest.mark.usefixtures("answered")
def test_a_report_says_reading_score_threshold_model_uncertainty_and_research_use(tmp_path: Path) -> None:
    files = series(SLICES, **PATIENT)

    _, made = answer(files, tmp_path)

    report = ComprehensiveSR.from_dataset(made["series_1/report.dcm"])
    of_study, last, first = report.content.get_image_measurement_groups()
    numbers = {one.name.value: one.value for one in of_study.get_measurements()}
    assert numbers == {
        "score": 3.25, "threshold": 0.5, "score-logistic": 96.27, "without-lung": 25, "declined": 33.3333
    }  # fmt: skip
    (evaluation,) = of_study.get_qualitative_evaluations()
    assert evaluation.value.meaning == "Positive"
    assert [one.get_measurements()[0].value for one in (last, first)] == [90, 50]
    said = texts(report)
    for words in (
        RESEARCH, sha256(b"graph").hexdigest(), "version in the registry: 4", "1.2.3",
        "rule: noisy-or", "positive classes: adenocarcinoma",
        "sensitivity 0.80, 90 % interval 0.60 to 0.90, on 25 test patients", "without lung, and not counted: 1",
    ):  # fmt: skip
        assert words in said
    assert RESEARCH in report.SeriesDescription
    assert (report.CompletionFlag, report.VerificationFlag) == ("COMPLETE", "UNVERIFIED")


@pytest.mark.usefixtures("answered")
def test_reports_and_pictures_refer_to_the_images_of_the_study(tmp_path: Path) -> None:
    files = series(SLICES, **PATIENT)
    originals = {dcmread(io.BytesIO(data)).SOPInstanceUID: data for data in files.values()}
    by_height = sorted(originals, key=lambda uid: dcmread(io.BytesIO(originals[uid])).ImagePositionPatient[2])

    _, made = answer(files, tmp_path)

    report = ComprehensiveSR.from_dataset(made["series_1/report.dcm"])
    assert {str(instance) for _, _, instance, _ in report.get_evidence()} == set(originals)
    groups = report.content.get_image_measurement_groups()
    referred = [[image.referenced_sop_instance_uid for image in group.source_images] for group in groups]
    assert referred == [[by_height[3], by_height[1]], [by_height[3]], [by_height[1]]]
    pictures = [made[f"series_1/evidence_{number}.dcm"] for number in (1, 2)]
    assert [one.SourceImageSequence[0].ReferencedSOPInstanceUID for one in pictures] == [by_height[3], by_height[1]]
    assert {one.SOPClassUID for one in pictures} == {SecondaryCaptureImageStorage}
    assert len({one.SeriesInstanceUID for one in pictures}) == 1
    for one in made.values():
        assert {keyword: str(one[keyword].value) for keyword in PATIENT} == PATIENT
        assert (one.PatientID, one.StudyInstanceUID) == ("4711", "1.2.3")
        assert one.SeriesInstanceUID != "1.2.3.4"


@pytest.mark.usefixtures("answered")
def test_a_picture_shows_the_slice_and_beside_it_the_evidence(tmp_path: Path) -> None:
    _, made = answer(series(SLICES, **PATIENT), tmp_path)

    pixels = made["series_1/evidence_1.dcm"].pixel_array

    rows, columns = SLICES[0].shape
    times = -(-512 // columns)
    assert pixels.shape == (rows * times + 44, 2 * columns * times, 3)
    plain, covered = pixels[: rows * times, : columns * times], pixels[: rows * times, columns * times :]
    assert (plain.min(axis=2) == plain.max(axis=2)).all()  # grey
    assert (covered != plain).any()
    assert pixels[rows * times :].max() == 255  # words


@pytest.mark.usefixtures("answered")
def test_a_study_without_identifiers_gets_a_report_without_identifiers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    removed = {"PatientIdentityRemoved": "YES", "DeidentificationMethod": "by hand", "PatientID": "hidden"}

    _, made = answer(series(SLICES, **removed), tmp_path)

    for one in made.values():
        assert {keyword: one[keyword].value for keyword in removed} == removed
        assert not any(one.get(keyword) for keyword in PATIENT)
    assert not caplog.records


@pytest.mark.usefixtures("answered")
def test_what_the_standard_forbids_stays_empty_and_is_not_printed(tmp_path: Path) -> None:
    files = {name: data.replace(b"19500102", b"1950-1-2") for name, data in series(SLICES, **PATIENT).items()}

    lines, made = answer(files, tmp_path)

    assert [one.PatientBirthDate for one in made.values()] == ["", "", ""]
    assert "1950" not in "".join(lines)


@pytest.mark.usefixtures("answered")
def test_nothing_of_a_patient_is_logged_or_printed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    lines, _ = answer(series(SLICES, **PATIENT | {"PatientName": "Roe"}), tmp_path)

    said = "\n".join([*lines, caplog.text])
    assert not [secret for secret in ("Roe", "4711", "1950", "Poe", "1.2.3.4") if secret in said]


@pytest.mark.usefixtures("answered")
def test_frames_of_one_file_are_named_by_their_numbers(tmp_path: Path) -> None:
    _, made = answer({"one": enhanced(SLICES, heights(len(SLICES)), **PATIENT)}, tmp_path)

    (source,) = made["series_1/evidence_1.dcm"].SourceImageSequence
    original = dcmread(tmp_path / "in" / "one")
    positions = [
        frame.PlanePositionSequence[0].ImagePositionPatient[2] for frame in original.PerFrameFunctionalGroupsSequence
    ]
    assert source.ReferencedFrameNumber == int(np.argmax(positions)) + 1
    group = ComprehensiveSR.from_dataset(made["series_1/report.dcm"]).content.get_image_measurement_groups()[1]
    assert group.source_images[0].referenced_frame_numbers == [source.ReferencedFrameNumber]


@pytest.mark.usefixtures("answered")
def test_without_a_rule_the_report_has_no_reading_and_says_why(tmp_path: Path) -> None:
    lines, made = answer(series(SLICES), tmp_path, Classifier(b"graph", manifest_of()))

    assert [*made] == ["series_1/report.dcm"]
    report = ComprehensiveSR.from_dataset(made["series_1/report.dcm"])
    (group,) = report.content.get_image_measurement_groups()
    assert {one.name.value for one in group.get_measurements()} == {"without-lung", "declined"}
    assert "There is no reading of the study: the classifier has no rule for patients." in texts(report)
    assert "  No reading: the classifier has no rule for patients." in lines


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy of Debian's dicom3tools is not installed")
@pytest.mark.usefixtures("answered")
@pytest.mark.parametrize(
    ("kind", "elements"),
    [
        ("series", PATIENT),
        ("series", {}),
        ("series", PATIENT | {"PatientName": "Müller^Jörg", "SpecificCharacterSet": "ISO_IR 100", "PatientSex": "X"}),
        ("series", {"PatientIdentityRemoved": "YES", "DeidentificationMethod": "by hand"}),
        ("enhanced", PATIENT),
    ],
    ids=["whole", "bare", "Latin-1", "without identifiers", "frames"],
)
def test_what_is_written_passes_dciodvfy(kind: str, elements: dict[str, Any], tmp_path: Path) -> None:
    files = series(SLICES, **elements) if kind == "series" else {"one": enhanced(SLICES, heights(4), **elements)}

    _, made = answer(files, tmp_path)

    for name in made:
        found = subprocess.run(
            ["dciodvfy", "-new", tmp_path / "out" / name], capture_output=True, text=True, check=False
        )
        assert [line for line in found.stderr.splitlines() if line.startswith("Error")] == []
        assert "SR" in found.stderr or "SCImage" in found.stderr


@pytest.mark.usefixtures("answered")
def test_lines_for_people_say_what_was_found(tmp_path: Path) -> None:
    lines, _ = answer(series(SLICES) | {"readme.txt": b"words", "notes.txt": b"words"}, tmp_path)

    assert lines[:8] == [
        "Series 1, slices: 4.",
        "  Reads positive for adenocarcinoma: score 3.25, threshold 0.50 (log-odds, by noisy-or).",
        "  Driven by slice 4 from the feet, at -292.5 mm: 0.90.",
        "  Driven by slice 2 from the feet, at -297.5 mm: 0.50.",
        "  Without lung, not counted: 1 of 4.",
        "  Declined, counted: 1 (not sure) of 3.",
        f"  Synthetic: {NO_PERSON}.",
        f"  Written to {tmp_path / 'out' / 'series_1'}: report.dcm, evidence_1.dcm, evidence_2.dcm.",
    ]
    assert lines[8].startswith("Not used (files: 2): ")


@pytest.mark.usefixtures("answered")
@pytest.mark.parametrize("is_so", [True, False])
def test_what_a_model_of_phantoms_says_is_called_synthetic(tmp_path: Path, is_so: bool) -> None:
    data = CLASSIFIER.manifest.data.model_dump() | {"synthetic": is_so}
    classifier = Classifier(b"graph", manifest_of(patient_rule=PATIENT_RULE, data=data))

    lines, made = answer(series(SLICES), tmp_path, classifier)

    assert ("trained on synthetic phantoms alone" in "".join(lines)) == is_so
    assert ("trained on synthetic phantoms alone" in texts(made["series_1/report.dcm"])) == is_so
    assert ("SYNTHETIC PHANTOMS" in made["series_1/evidence_1.dcm"].DerivationDescription) == is_so


def test_where_every_slice_was_declined_the_reading_is_called_of_little_worth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def declined(classifier: Classifier, volume: Volume) -> StudyAnswer:
        said = answer_of(volume, classifier)
        reason = NOT_A_CHEST_CT_SLICE
        slices = [one if one.prediction is None else replace(one, prediction=replace(one.prediction, reason=reason))
                  for one in said.slices]  # fmt: skip
        return replace(said, slices=tuple(slices))

    monkeypatch.setattr(study_answers, "predict_study", lambda classifier, volume: declined(classifier, volume))

    lines, made = answer(series(SLICES), tmp_path)

    caution = "Caution: every slice was declined on its own, so the reading of all slices together says little."
    assert lines[5:7] == ["  Declined, counted: 3 (unlike the training images) of 3.", f"  {caution}"]
    assert caution in texts(made["series_1/report.dcm"])


@pytest.mark.usefixtures("answered")
def test_a_volume_is_answered_without_a_report(tmp_path: Path) -> None:
    file = tmp_path / "a.nii"
    file.write_bytes(nifti(SLICES))

    lines = list(answer_studies(file, tmp_path / "out", ServedModel(CLASSIFIER)))

    assert lines[0] == "Series 1, slices: 4."
    assert "pass the study's original DICOM files" in lines[-1]
    assert not (tmp_path / "out").exists()


def test_files_without_a_study_are_refused_with_their_reasons(tmp_path: Path) -> None:
    with pytest.raises(
        NoStudyError, match=r"`--files`.*Received: files that hold none \(1\)\. Not used \(files: 1\): .*DICOM"
    ):
        answer({"readme.txt": b"words"}, tmp_path)


@pytest.mark.usefixtures("answered")
def test_copies_with_hashes_in_place_of_identifiers_get_no_report(tmp_path: Path) -> None:
    hashed = partial(hidden, bytes(32))
    files = {name: without_identifiers(data, hashed) for name, data in series(SLICES).items()}

    lines, made = answer(files, tmp_path)

    assert lines[-1].startswith("  No report: DICOM SOPInstanceUID (0008,0018) is missing or no UID: expected one")
    assert not made


def test_the_command_answers_by_the_model_that_is_served(
    answered: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = tmp_path / "served"
    monkeypatch.setattr(cli, "_served_folder", lambda: served)
    arguments = ["--files", str(write(series(SLICES), tmp_path / "in")), "--out", str(tmp_path / "out")]

    without = CliRunner().invoke(cli.study, arguments)
    served.mkdir()
    CLASSIFIER.save(served)
    (served / "metrics.json").write_text(json.dumps(FIGURES))
    found = CliRunner().invoke(cli.study, arguments)
    again = CliRunner().invoke(cli.study, arguments)

    assert without.exit_code == 1
    assert f"Error: No classifier in {served}: expected classifier.onnx. Make one with `kedro run`." in without.output
    assert found.exit_code == 0
    assert found.output.startswith("Series 1, slices: 4.\n  Reads positive for adenocarcinoma")
    assert found.output.endswith("For research only: this is no medical device, and nothing here is a diagnosis.\n")
    assert again.exit_code == 1
    assert "`--out`. Expected a folder that is empty or not there. Received: " in again.output
    assert "sensitivity 0.80" in texts(dcmread(tmp_path / "out" / "series_1" / "report.dcm"))


def test_the_command_says_what_is_wrong_with_files_that_hold_no_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    CLASSIFIER.save(tmp_path)
    monkeypatch.setattr(cli, "_served_folder", lambda: tmp_path)

    found = CliRunner().invoke(cli.study, ["--files", str(tmp_path / "manifest.json"), "--out", str(tmp_path / "out")])

    assert found.exit_code == 1
    assert "Error: Invalid value received for `--files`. Expected a folder with axial slices" in found.output
