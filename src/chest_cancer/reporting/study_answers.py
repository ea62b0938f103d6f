"""Studies in files: answered in words, and as DICOM that goes back into the archive; what `kedro study` does."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from chest_cancer.imaging.boundary import as_unreadable
from chest_cancer.imaging.lungs import NO_LUNG
from chest_cancer.imaging.pixels import UnreadableImageError
from chest_cancer.imaging.volumes.reading import OpenFile, read_one_by_one, survey
from chest_cancer.imaging.volumes.series import Refusal
from chest_cancer.imaging.volumes.volume import Volume
from chest_cancer.network.classifier import Classifier
from chest_cancer.network.patients import PatientRule
from chest_cancer.network.studies import StudyAnswer, predict_study
from chest_cancer.reporting.served_model import NO_PERSON, ServedModel
from chest_cancer.storage.atomic import replace_file


class NoStudyError(ValueError):
    """Files that hold no study; the message says what they are."""


def answer_studies(files: Path, out: Path, model: ServedModel) -> Iterator[str]:
    """Answer every study in some files, and write the answers as DICOM.

    Args:
        files: A folder of DICOM files and volumes, at any depth, or one file.
        out: Folder for reports and pictures: `series_<n>/report.dcm`, `series_<n>/evidence_<n>.dcm`.
        model: Which answers.

    Yields:
        Lines for people, without names of files and without anything that says whom they show.

    Raises:
        NoStudyError: No file holds slices that can be answered.
        FileExistsError: There is something in `out` already, and answers would be mixed.
        UnreadableImageError: The classifier is older than today's way to show Hounsfield units.
    """
    if out.is_dir() and any(out.iterdir()):
        raise FileExistsError(
            f"Invalid value received for `--out`. Expected a folder that is empty or not there. Received: {out}, which "
            "holds something. Name another one, so that no two answers are mixed."
        )
    root = files if files.is_dir() else files.parent
    found = sorted(path for path in files.rglob("*") if path.is_file()) if files.is_dir() else [files]
    names = [path.relative_to(root).as_posix() for path in found]

    def open_file(name: str) -> bytes:
        return (root / name).read_bytes()

    refused: Counter[str] = Counter()
    answered = 0
    for one in read_one_by_one(survey(names, open_file), names, open_file):
        if isinstance(one, Refusal):
            refused[one.reason] += len(one.files)
            continue
        answered += 1
        yield f"Series {answered}, slices: {len(one)}."
        yield from (f"  Note: {note.text}." for note in one.notes)
        answer = predict_study(model.classifier, one)
        yield from (f"  {line}" for line in describe_answer(answer, model.classifier))
        yield from (f"  {line}" for line in _write(answer, one, open_file, out / f"series_{answered}", model))
    told = [f"Not used (files: {count}): {reason}." for reason, count in refused.items()]
    if not answered:
        raise NoStudyError(
            "Invalid value received for `--files`. Expected a folder with axial slices of a chest CT, or a volume. "
            f"Received: files that hold none ({len(names)}). {' '.join(told)}"
        )
    yield from told


def describe_answer(answer: StudyAnswer, classifier: Classifier) -> Iterator[str]:
    """Say in lines what a study's answer is."""
    reading, rule = answer.reading, PatientRule.of(classifier.manifest)
    if reading is None or rule is None:
        yield f"No reading: {answer.reason}."
    else:
        positive = " or ".join(classifier.classes[number] for number in rule.positive)
        yield (
            f"Reads {'positive' if reading.reads_positive else 'negative'} for {positive}: score {reading.score:.2f}, "
            f"threshold {reading.threshold:.2f} (log-odds, by {reading.rule})."
        )
        for one in answer.driving:
            position = answer.slices[one.number].position
            yield f"Driven by slice {one.number + 1} from the feet, at {position:.1f} mm: {one.probability:.2f}."
    reasons = Counter(one.reason for one in answer.slices if one.reason is not None)
    yield f"Without lung, not counted: {reasons.pop(NO_LUNG, 0)} of {len(answer.slices)}."
    declined = ", ".join(f"{count} ({reason})" for reason, count in reasons.items()) or "0"
    yield f"Declined, counted: {declined} of {answer.with_lung}."
    if answer.caution is not None:
        yield f"Caution: {answer.caution}."
    if classifier.manifest.data.synthetic:
        yield f"Synthetic: {NO_PERSON}."


def _write(answer: StudyAnswer, volume: Volume, open_file: OpenFile, out: Path, model: ServedModel) -> Iterator[str]:
    """Write an answer's report and pictures, and say where; or say why there are none."""
    try:
        with as_unreadable("DICOM", extra="archive"):
            # On use: an installation without the extra answers as well.
            from chest_cancer.reporting.dicom.headers import read_headers
            from chest_cancer.reporting.dicom.pictures import make_pictures
            from chest_cancer.reporting.dicom.report import make_report

            headers = read_headers(volume, open_file)
            made = {"report.dcm": make_report(answer, volume, headers, model)}
            pictures = make_pictures(answer, volume, headers, model.classifier)
            made |= {f"evidence_{number}.dcm": picture for number, picture in enumerate(pictures, start=1)}
            for name, dataset in made.items():
                with replace_file(out / name) as file:
                    dataset.save_as(file, enforce_file_format=True)
    except UnreadableImageError as error:
        yield f"No report: {error}."
    else:
        yield f"Written to {out}: {', '.join(made)}."
