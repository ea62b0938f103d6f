"""What the figures of a run do not support, in plain words; derived from the figures and the audits."""

from collections.abc import Mapping

from chest_cancer.network.manifest import DataSummary
from chest_cancer.reporting.limitation import Limitation
from chest_cancer.reporting.style import percent
from chest_cancer.reporting.templates import AuditedPart
from chest_cancer.storage.figures import StoredFigure


def find_limitations(
    metrics: Mapping[str, StoredFigure], data: DataSummary, audits: list[AuditedPart], confidence: float
) -> list[Limitation]:
    """List what a reader must know before the figures are used, the gravest first.

    Args:
        metrics: Figures of the test split.
        data: The manifest's summary of the data.
        audits: What the audits found.
        confidence: Confidence level of all intervals, 0..1.
    """
    return [_origin(data), _size(metrics, confidence), *_of_audits(audits)]


def find_data_limitations(data: DataSummary, audits: list[AuditedPart]) -> list[Limitation]:
    """List what a reader must know of the images; the arguments are those of `find_limitations`."""
    return [_origin(data), *_of_audits(audits)]


def _of_audits(audits: list[AuditedPart]) -> list[Limitation]:
    if not any(part.facts for part in audits):
        missing = "The audits were switched off, so nothing is known of copies, leakage and shortcuts."
        return [Limitation("Not audited", missing)]
    return [Limitation(**found) for part in audits for found in part.facts.get("limitations", [])]


def _origin(data: DataSummary) -> Limitation:
    if data.synthetic:
        text = (
            "The slices are phantoms, drawn by a computer. They show that the program works, and say nothing about "
            "patients."
        )
        return Limitation("Synthetic data", text)
    return Limitation(
        "One source, unknown patients",
        "No slice from another hospital, scanner or population was seen. It is not known which slices are of one "
        "patient: groups of near-duplicates stand in for patients, and slices of a patient that look different may be "
        "in two splits.",
    )


def _size(metrics: Mapping[str, StoredFigure], confidence: float) -> Limitation:
    accuracy = metrics["accuracy"]
    text = (
        f"The figures rest on {accuracy['n']} test images: the accuracy may be anything from {accuracy['low']:.2f} to "
        f"{accuracy['high']:.2f} ({percent(confidence)} interval)."
    )
    return Limitation("Size of the test split", text)
