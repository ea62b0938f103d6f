"""What is said of a study, the same for the page and for programs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.answers import display_name
from app.evidence import signed
from app.model import Model, model_record
from app.patient import reading_record
from app.presentation import percent
from app.problems import ProblemError
from chest_cancer.imaging.pixels import UnreadableImageError
from chest_cancer.imaging.volumes.arriving import ArrivingStudy
from chest_cancer.imaging.volumes.volume import Volume
from chest_cancer.jobs.model_files import StoredFigure
from chest_cancer.network.explanation import explain
from chest_cancer.network.patients import probability_of
from chest_cancer.network.predictions import positive_numbers
from chest_cancer.network.studies import SliceAnswer, StudyAnswer

_FIGURES = ("patient_sensitivity", "patient_specificity", "patient_roc_auc")
_MOST_REASONS = 5


@dataclass(frozen=True)
class Series:
    """The one series of an upload that is answered.

    Attributes:
        volume: Its slices.
        number: Which it is of all series, from 0.
        sizes: Numbers of slices of all series, the largest first.
        not_used: How many files are not used, by the reason.
        model: Which answers.
    """

    volume: Volume
    number: int
    sizes: tuple[int, ...]
    not_used: dict[str, int]
    model: Model

    @property
    def positive(self) -> tuple[int, ...]:
        """Numbers of the classes that are positive; empty where nobody said which."""
        manifest = self.model.manifest
        return positive_numbers(manifest.classes, manifest.normal_class, manifest.positive_classes) or ()

    @property
    def positive_name(self) -> str:
        """What people call the positive classes."""
        return " or ".join(display_name(self.model.manifest.classes[number]) for number in self.positive)

    @property
    def figures(self) -> dict[str, StoredFigure]:
        """How sure readings are: the test figures of patients that are known."""
        figures = self.model.figures
        return {name: figures[name] for name in _FIGURES if name in figures and figures[name]["value"] is not None}

    def probability(self, one: SliceAnswer) -> float | None:
        """How probable the positive classes are in a slice, 0..1; None without lung, or where nobody said which."""
        if one.prediction is None or not self.positive:
            return None
        stated = np.array([list(one.prediction.probabilities.values())])
        return float(probability_of(stated, self.positive)[0])

    def said(self, one: SliceAnswer) -> str:
        """What people are told of a slice; an abstention as what it is, never as a class."""
        if one.prediction is None or one.prediction.label is None:
            reason = str(one.reason)
            return reason[:1].upper() + reason[1:]
        probability = one.prediction.probability
        sureness = one.prediction.warning if probability is None else percent(probability)
        return f"{display_name(one.prediction.label)}, {sureness}"


def choose_series(volumes: Sequence[Volume], study: ArrivingStudy, number: int, model: Model) -> Series:
    """Choose a series, and make sure that it can be answered.

    Args:
        volumes: Of the study, the one with most slices first.
        study: Says which files are not used.
        number: Which is chosen, from 0.
        model: Is to answer it.

    Raises:
        ProblemError: There is no such series, or the model can't answer it.
    """
    not_used = dict(study.refused)
    if not volumes:
        reasons = "; ".join(f"{reason} (files: {count})" for reason, count in list(not_used.items())[:_MOST_REASONS])
        detail = f"No file holds axial slices of a chest CT. {reasons[:1].upper()}{reasons[1:]}."
        raise ProblemError("unusable-study", "Unusable study", 422, detail)
    if not 0 <= number < len(volumes):
        detail = f"Expected a series from 0 to {len(volumes) - 1}. Received: {number}."
        raise ProblemError("no-series", "No such series", 404, detail)
    volume = volumes[number]
    try:
        model.classifier.pixels_of(volume.image(0))
    except UnreadableImageError as error:
        raise ProblemError("unusable-study", "Unusable study", 422, f"{error}.") from error
    return Series(volume, number, tuple(map(len, volumes)), not_used, model)


def series_record(series: Series) -> dict[str, Any]:
    """Write what a series is for programs, as a JSON object."""
    _, rows, columns = series.volume.hounsfield.shape
    return {
        "series": series.number,
        "all_series": list(series.sizes),
        "slices": len(series.volume),
        "rows": rows,
        "columns": columns,
        "spacing": [round(length, 6) for length in series.volume.spacing],
        "positions": [round(float(position), 3) for position in series.volume.positions],
        "notes": [note.text for note in series.volume.notes],
        "not_used": [{"reason": reason, "files": count} for reason, count in series.not_used.items()],
        "positive_classes": [series.model.manifest.classes[number] for number in series.positive],
    }


def slice_record(one: SliceAnswer, series: Series) -> dict[str, Any]:
    """Write the answer to a slice for programs, as a JSON object."""
    prediction, positive = one.prediction, series.probability(one)
    probability = prediction.probability if prediction else None
    return {
        "number": one.number,
        "position": round(one.position, 3),
        "label": prediction.label if prediction else None,
        "probability": None if probability is None else round(probability, 6),
        "probabilities": {
            label: round(value, 6) for label, value in (prediction.probabilities if prediction else {}).items()
        },
        "positive": None if positive is None else round(positive, 6),
        "reason": one.reason,
        "warning": prediction.warning if prediction else None,
    }


def shown_slice(one: SliceAnswer, series: Series) -> dict[str, Any]:
    """Write the answer to a slice for the viewer: that for programs, words, and the evidence.

    `evidence` is what each cell adds to the log-odds of the class that the model chooses, [h, w], over `frame`: left,
    top, right and bottom in shares of the slice; `average` is what an average slice gets.
    """
    record = slice_record(one, series) | {"said": series.said(one)}
    if one.prediction is None:
        return record
    leaning = one.prediction.leaning
    cells, constant = explain(series.model.manifest, one.prediction.evidence, leaning)
    evidence = {
        "of": display_name(leaning),
        "cells": cells.round(4).tolist(),
        "average": None if constant is None else signed(constant),
        "sum": signed(float(cells.sum())),
        "frame": [round(edge, 4) for edge in one.frame],
    }
    return record | {"evidence": evidence}


def study_record(answer: StudyAnswer, series: Series) -> dict[str, Any]:
    """Write the answer to a study for programs, as a JSON object."""
    return {
        **reading_record(answer.reading),
        "driving": [{"number": one.number, "probability": round(one.probability, 6)} for one in answer.driving],
        "without_lung": len(answer.slices) - answer.with_lung,
        "share_without_lung": round(answer.share_without_lung, 6),
        "declined": answer.declined,
        "share_declined": round(answer.share_declined, 6),
        "figures": series.figures,
        "reason": answer.reason,
        "model": model_record(series.model.manifest),
    }
