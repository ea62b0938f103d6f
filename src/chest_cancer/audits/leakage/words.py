"""What a leakage curve says, in plain words."""

from collections.abc import Callable
from itertools import takewhile
from typing import Any

from chest_cancer.statistics.intervals import in_words

Point = dict[str, Any]

_NEGLIGIBLE = 0.01
"""A fall that may be as small is not called one: fewer and larger groups also leave the folds less to learn from."""


def describe_curve(points: list[Point], images: int) -> dict[str, Any]:
    """Say where a score becomes memory.

    Two rules, both paired over groups. The accuracy *falls from* the highest similarity at which, and at all lower
    ones, it is below that of the first point (only exact copies kept together) with an interval above 0.01: there,
    similar slices raise the score as long as they may be on both sides. The look-up *is as good down to* the lowest
    similarity at which, and at all higher ones, the interval of the model less the look-up reaches 0: there, nothing
    shows that the model does more than remember.

    Args:
        points: Points of the curve, similarity falling.
        images: Distinct images.

    Returns:
        `fall_from` and `look_up_as_good_to`, each a similarity or None, and `sentence`.
    """
    if not points:
        sentence = "There are too few groups in a class for a leakage curve: nothing can be said about memory."
        return {"fall_from": None, "look_up_as_good_to": None, "sentence": sentence}
    fall_from = _last(points[::-1], lambda point: point["fall"]["low"] > _NEGLIGIBLE)
    as_good_to = _last(points, lambda point: point["model_less_look_up"]["low"] <= 0)
    found = {"fall_from": fall_from, "look_up_as_good_to": as_good_to}
    return {**found, "sentence": _sentence(points, images, fall_from, as_good_to)}


def _last(points: list[Point], holds: Callable[[Point], bool]) -> float | None:
    """Similarity of the last point up to which a condition holds without a break; None where it holds for none."""
    leading = list(takewhile(holds, points))
    return leading[-1]["similarity"] if leading else None


def _sentence(points: list[Point], images: int, fall_from: float | None, as_good_to: float | None) -> str:
    first, last = points[0], points[-1]
    start = in_words(first["model"]["accuracy"])
    if _by_chance(first):
        area = in_words(first["model"]["roc_auc"])
        return (
            f"Even with only exact copies kept together the model does not tell the classes apart (AUC {area}): there "
            "is no score that could be memory."
        )
    if last["groups"] == images:
        return (
            "By the embedding there are no near-duplicates: no two distinct images are as near as cosine "
            f"{last['similarity']:.2f}, so the accuracy of {start} owes nothing to them."
        )
    apart = [point["similarity"] for point in points[1:] if point["groups"] == images]
    none = [f"By the embedding there are no near-duplicates down to cosine {apart[-1]:.2f}."] if apart else []
    sentences = [*none, _on_fall(points, fall_from, start), _on_look_up(points, fall_from, as_good_to)]
    if fall_from is not None and _by_chance(last):
        area = in_words(last["model"]["roc_auc"])
        sentences.append(f"What is left at {last['similarity']:.2f} is no better than chance (AUC {area}).")
    return " ".join(sentences)


def _by_chance(point: Point) -> bool:
    return bool(point["model"]["roc_auc"]["low"] <= 0.5)


def _on_fall(points: list[Point], fall_from: float | None, start: str) -> str:
    last = points[-1]
    if fall_from is None:
        lowers = "does not lower the score measurably"
        if last["fall"]["low"] > 0:
            lowers = (
                f"lowers the score, but perhaps by no more than the {_NEGLIGIBLE} that larger groups may cost anyway"
            )
        return (
            f"Keeping similar slices on one side {lowers}: accuracy is {start} with only exact copies kept together "
            f"and {in_words(last['model']['accuracy'])} at cosine {last['similarity']:.2f}, a fall of "
            f"{in_words(last['fall'])}."
        )
    point = next(point for point in points if point["similarity"] == fall_from)
    more = ""
    if point is not last:
        more = (
            f", and at {last['similarity']:.2f} it is {in_words(last['model']['accuracy'])}, lower by "
            f"{in_words(last['fall'])}"
        )
    part = "all of the score" if _by_chance(point) else "part of the score"
    return (
        f"Above cosine {fall_from:.2f} {part} is memory: accuracy is {start} with only exact copies kept "
        f"together; once slices as near as {fall_from:.2f} are kept on one side it is "
        f"{in_words(point['model']['accuracy'])}, lower by {in_words(point['fall'])}{more}."
    )


def _on_look_up(points: list[Point], fall_from: float | None, as_good_to: float | None) -> str:
    if as_good_to is None:
        by = in_words(points[0]["model_less_look_up"])
        return (
            "The model beats a look-up of the most similar training slice even with only exact copies kept together, "
            f"by {by}: it does more than remember."
        )
    point = next(point for point in points if point["similarity"] == as_good_to)
    reach = "Down the whole curve" if point is points[-1] else f"Down to cosine {as_good_to:.2f}"
    so = "nothing in these scores shows that the model does more than remember similar slices"
    if fall_from is None:
        so = "likeness to some training slice is enough, and the shortcut audit says whether that has to be anatomy"
    return (
        f"{reach} a look-up of the most similar training slice does as well as the model (there "
        f"{in_words(point['look_up']['accuracy'])}, the model {in_words(point['model']['accuracy'])}): {so}."
    )
