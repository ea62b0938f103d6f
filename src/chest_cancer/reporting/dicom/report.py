"""A study's answer as a DICOM Structured Report: Comprehensive SR by template TID 1500, Measurement Report."""

import hashlib
from collections.abc import Iterator, Sequence

from highdicom import UID
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from chest_cancer.imaging.volumes.volume import Volume
from chest_cancer.network.patients import PatientReading, PatientRule
from chest_cancer.network.studies import DrivingSlice, StudyAnswer
from chest_cancer.reporting.dicom.headers import EQUIPMENT, RESEARCH, UTF_8, frame_numbers
from chest_cancer.reporting.served_model import NO_PERSON, ServedModel
from chest_cancer.reporting.style import percent
from chest_cancer.storage.figures import title_of

_SERIES_NUMBER = 9001
_SCHEME = "99CHESTCANCER"
_LOG_ODDS = CodedConcept("1", "UCUM", "no units")
_FIGURES = ("patient_sensitivity", "patient_specificity", "patient_roc_auc")


def make_report(
    answer: StudyAnswer,
    volume: Volume,
    headers: Sequence[Dataset],
    model: ServedModel,
) -> Dataset:
    """Make a study's answer a Structured Report.

    Args:
        answer: Of the volume.
        volume: What was answered.
        headers: Of the volume's slices, by `read_headers`.
        model: Which gave the answer.

    Returns:
        A Comprehensive SR in the study of the files, to be written by `save_as`. One group of measurements says what
        the study says, and one each what the slices say that drive it.

    Raises:
        Exception: Of highdicom, on elements that break the standard.
    """
    algorithm = _algorithm(model)
    digest = hashlib.sha256(model.classifier.graph).hexdigest()
    # The same model is the same observer.
    device = DeviceObserverIdentifyingAttributes(generate_uid(entropy_srcs=["chest_cancer", digest]), "chest_cancer")
    groups = [_group_of_study(answer, volume, headers, algorithm)]
    groups += [_group_of_slice(one, volume, headers, algorithm) for one in answer.driving]
    content = MeasurementReport(
        observation_context=ObservationContext(
            observer_device_context=ObserverContext(codes.DCM.Device, device),
        ),
        procedure_reported=CodedConcept("169069000", "SCT", "CT of chest"),
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    for text in _comments(answer, model):
        content[0].ContentSequence.append(
            TextContentItem(codes.DCM.Comment, text, relationship_type=RelationshipTypeValues.CONTAINS)
        )
    distinct = list({header.SOPInstanceUID: header for header in headers}.values())
    return ComprehensiveSR(
        evidence=distinct,
        content=content,
        series_instance_uid=UID(),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=UID(),
        instance_number=1,
        is_complete=True,
        series_description=f"Chest CT classifier: {RESEARCH}",
        content_qualification="RESEARCH",
        specific_character_set=UTF_8,
        coding_schemes=[
            CodingSchemeIdentificationItem(_SCHEME, name="chest_cancer", responsible_organization="chest_cancer")
        ],
        **EQUIPMENT,
    )


def _group_of_study(
    answer: StudyAnswer, volume: Volume, headers: Sequence[Dataset], algorithm: AlgorithmIdentification
) -> MeasurementsAndQualitativeEvaluations:
    shares = [
        _percent(_code("without-lung", "Share of slices without lung"), answer.share_without_lung),
        _percent(_code("declined", "Share of slices with lung that were declined"), answer.share_declined),
    ]
    reading = answer.reading
    evaluations = None
    if reading is not None:
        shares = [*_measurements(reading), *shares]
        value = codes.SCT.Positive if reading.reads_positive else codes.SCT.Negative
        evaluations = [QualitativeEvaluation(_code("reading", "Reading of the study"), value)]
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(UID(), "study"),
        algorithm_id=algorithm,
        measurements=shares,
        qualitative_evaluations=evaluations,
        source_images=[_reference(volume, headers, one.number) for one in answer.driving] or None,
    )


def _group_of_slice(
    one: DrivingSlice, volume: Volume, headers: Sequence[Dataset], algorithm: AlgorithmIdentification
) -> MeasurementsAndQualitativeEvaluations:
    name = _code("slice-positive", "Probability of the positive classes in the slice")
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(UID(), f"slice at {volume.positions[one.number]:.1f} mm"),
        algorithm_id=algorithm,
        measurements=[_percent(name, one.probability)],
        source_images=[_reference(volume, headers, one.number)],
    )


def _measurements(reading: PatientReading) -> list[Measurement]:
    """Score and threshold as the rule has them, and the score in the form of a probability."""
    return [
        Measurement(_code("score", "Score of the study, log-odds"), _rounded(reading.score), _LOG_ODDS),
        Measurement(
            _code("threshold", "Threshold of a positive reading, log-odds"), _rounded(reading.threshold), _LOG_ODDS
        ),
        _percent(_code("score-logistic", "Logistic of the score, not calibrated"), reading.probability),
    ]


def _algorithm(model: ServedModel) -> AlgorithmIdentification:
    classifier = model.classifier
    manifest, rule = classifier.manifest, PatientRule.of(classifier.manifest)
    parameters = [
        RESEARCH,
        f"SHA-256 of classifier.onnx: {hashlib.sha256(classifier.graph).hexdigest()}",
        f"version in the registry: {model.version or 'none'}",
        f"MLflow run: {manifest.provenance.mlflow_run_id or 'none'}",
        f"precision: {classifier.precision}",
        f"window: {classifier.standardisation.window}",
    ]
    if rule is not None:
        positive = " or ".join(classifier.classes[number] for number in rule.positive)
        parameters += [f"rule: {rule.name}", f"k: {rule.k}", f"positive classes: {positive}"]
    return AlgorithmIdentification("chest_cancer", manifest.provenance.code_version, parameters)


def _comments(answer: StudyAnswer, model: ServedModel) -> Iterator[str]:
    yield f"{RESEARCH}. Made by a research tool that is no medical device."
    if answer.reason is not None:
        yield f"There is no reading of the study: {answer.reason}."
    without = len(answer.slices) - answer.with_lung
    yield (
        f"{len(answer.slices)} slices; without lung, and not counted: {without}; without an answer of their own, and "
        f"counted: {answer.declined}."
    )
    if answer.caution is not None:
        yield f"Caution: {answer.caution}."
    if model.classifier.manifest.data.synthetic:
        yield f"Synthetic: {NO_PERSON}."
    known = {name: figure for name in _FIGURES if (figure := model.figures.get(name)) and figure["value"] is not None}
    interval = "interval" if model.confidence is None else f"{percent(model.confidence)} interval"
    if not known:
        yield "Uncertainty: how often readings are wrong was not measured on test patients of this classifier."
    for name, figure in known.items():
        yield (
            f"Uncertainty: {title_of(name)} {figure['value']:.2f}, {interval} {figure['low']:.2f} to "
            f"{figure['high']:.2f}, on {figure['n']} test patients of its own data; other sites differ."
        )


def _reference(volume: Volume, headers: Sequence[Dataset], number: int) -> SourceImageForMeasurementGroup:
    header = headers[number]
    frames = frame_numbers(header, volume.origins[number].frame)
    return SourceImageForMeasurementGroup.from_source_image(header, frames)


def _percent(name: CodedConcept, share: float) -> Measurement:
    return Measurement(name, _rounded(100 * share), codes.UCUM.Percent)


def _rounded(value: float) -> float:
    """Six digits: a decimal string holds sixteen characters."""
    return float(f"{value:.6g}")


def _code(value: str, meaning: str) -> CodedConcept:
    return CodedConcept(value, _SCHEME, meaning)
