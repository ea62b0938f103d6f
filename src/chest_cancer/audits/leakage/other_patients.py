"""What a score may be for other patients, where nobody knows which slices are of one patient."""

from collections.abc import Mapping, Sequence
from typing import Any

from chest_cancer.statistics.intervals import in_words

_FIGURES = ("accuracy", "roc_auc")
_REASON = (
    "Which slices are of one patient is not known, so these are ranges, of a linear head that answers every image: "
    "from the lowest point of the leakage curve, where that is lower, to the score with near-duplicates kept together. "
    "Near-duplicates alone promise too much: measured on a public set of 662 slices of 340 patients, keeping them "
    "together gave an AUC of 0.892 (accuracy 0.811), and keeping patients together 0.826 (0.751)."
)
_WARNING = (
    "That is an estimate. Equal counts don't mean that patients were found: in a public study 65 groups stood for 63 "
    "cases, and of the pairs of slices in one group only 0.022 were of one case."
)


def range_for_other_patients(
    compared: Mapping[str, Any] | None, curve: Mapping[str, Any], similarity: float, patient_count: int | None
) -> dict[str, Any] | None:
    """Give the range in which a score for patients outside of training may lie.

    Args:
        compared: Result of `compare_naive_and_grouped`.
        curve: Result of `draw_leakage_curve`.
        similarity: Cosine from which on near-duplicates are one group.
        patient_count: How many patients there are, if that is known.

    Returns:
        `accuracy` and `roc_auc`, each with the ends `lowest` and `grouped`: a figure with the `similarity` and the
        number of `groups` that it was measured at. `sentence`, why it is a range. `estimate`, in words, the point of
        the curve with as many groups as patients; None where their number is not known. None where there is no grouped
        score, or no curve.
    """
    points = curve["points"]
    if compared is None or not points:
        return None
    grouped = {"model": compared["grouped"], "similarity": similarity, "groups": compared["grouped"]["groups"]}
    ends = {name: _ends([*points, grouped], grouped, name) for name in _FIGURES}
    estimate = None if patient_count is None else _estimate(points, patient_count, curve["images_left_out"])
    end = f" The curve ends at cosine {points[-1]['similarity']:.2f}: the score may be lower still."
    return {**ends, "sentence": _REASON + (end if curve["stopped"] else ""), "estimate": estimate}


def _ends(points: Sequence[Mapping[str, Any]], grouped: Mapping[str, Any], name: str) -> dict[str, Any]:
    lowest = min(points, key=lambda point: point["model"][name]["value"])
    return {
        end: {**point["model"][name], "similarity": point["similarity"], "groups": point["groups"]}
        for end, point in (("lowest", lowest), ("grouped", grouped))
    }


def _estimate(points: Sequence[Mapping[str, Any]], patients: int, left_out: int) -> str:
    if left_out:
        return (
            f"There are {patients} patients, but {left_out} images were left out of the leakage curve: its groups "
            "can't be counted against them."
        )
    point = min(points, key=lambda point: abs(point["groups"] - patients))
    more = point["groups"] - patients
    near = "as many as" if not more else f"{abs(more)} {'more' if more > 0 else 'fewer'} than"
    accuracy, area = (in_words(point["model"][name]) for name in _FIGURES)
    return (
        f"There are {patients} patients. The nearest point of the leakage curve has {point['groups']} groups, {near} "
        f"patients (cosine {point['similarity']:.2f}): accuracy {accuracy}, AUC {area}. {_WARNING}"
    )
