"""The audit of black lungs: pictures in a window that cuts off what is to be seen."""

from typing import Any

import numpy as np

from chest_cancer.audits.audit import Finding
from chest_cancer.audits.sample import Sample
from chest_cancer.imaging.afar import Looks
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.reporting.limitation import Limitation, listed
from chest_cancer.statistics.intervals import in_words, share

_MOST_BLACK = 0.2
"""Of the body. In 343 pictures of the public data it is 0.05 at most or, with black lungs, at least 0.43."""
_NEGLIGIBLE = 0.05
"""Share of the pictures of a class that may be so without a word."""


def audit_black_lungs(
    audit_sample: Sample,
    audit_looks: Looks,
    parameters: ModelEvaluationParameters,
    seed: int,  # noqa: ARG001  # one signature for all audits
) -> Finding:
    """Count pictures in which a fifth of the body or more is black, as lungs are in a window for soft tissue.

    Args:
        audit_sample: The images.
        audit_looks: How much of each image's body is `black`.
        parameters: The block `model_evaluation`.
        seed: Not used.

    Returns:
        `classes`: of each class, the share of such pictures; `most_black`, from which share of the body on a picture
        counts; and `images_left_out` of data that are too large.
    """
    black, groups = audit_looks["black"], audit_sample.groups
    classes = {
        name: share(black[rows] >= _MOST_BLACK, groups[rows], parameters.confidence)
        for number, name in enumerate(audit_sample.classes)
        if len(rows := np.flatnonzero(audit_sample.numbers == number))
    }
    facts = {"classes": classes, "most_black": _MOST_BLACK, "images_left_out": audit_sample.left_out}
    return Finding(facts | listed(find_limitations(facts)), {})


def find_limitations(facts: dict[str, Any]) -> list[Limitation]:
    """Say what the facts do not support."""
    found = [
        f"{in_words(figure)} of the pictures of {name} (n {figure['n']})"
        for name, figure in facts["classes"].items()
        if figure["value"] > _NEGLIGIBLE
    ]
    if not found:
        return []
    text = (
        f"In {' and '.join(found)} a fifth of the body or more is black: a window for soft tissue cuts the lungs off, "
        "and what is in them can't be seen. Where classes differ in that, the window alone tells them apart."
    )
    return [Limitation("Black lungs", text)]
