"""The audit of shortcuts: what can be scored without seeing anatomy, and what the model adds to that."""

from typing import Any

from chest_cancer.audits.audit import NOTHING, Finding
from chest_cancer.audits.sample import Sample
from chest_cancer.audits.shortcuts.baselines import compare_baselines
from chest_cancer.audits.shortcuts.plot import plot_shortcuts
from chest_cancer.imaging.afar import Looks
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.reporting.limitation import Limitation, listed, sentence
from chest_cancer.statistics.intervals import difference_of, in_words
from chest_cancer.storage.figures import Figure

_MARKS = {"coloured": "Coloured marks are in", "letters": "Letters are burnt into"}


def audit_shortcuts(
    audit_sample: Sample, audit_looks: Looks, parameters: ModelEvaluationParameters, seed: int
) -> Finding:
    """Score baselines that see no anatomy beside the model, for which the linear head stands in.

    Args:
        audit_sample: The images.
        audit_looks: How they look from afar.
        parameters: The block `model_evaluation`.
        seed: Random seed for folds, forests and draws.

    Returns:
        The baselines' figures and the verdict, and their plot; nothing where a class has a single group.
    """
    compared = compare_baselines(audit_sample, audit_looks, parameters, seed)
    if compared is None:
        return NOTHING
    plots = {"shortcuts": plot_shortcuts(compared, parameters.confidence)}
    return Finding(compared | listed(find_limitations(compared)), plots)


def find_limitations(facts: dict[str, Any]) -> list[Limitation]:
    """Say what the facts do not support."""
    limitations = []
    found = any(row["shortcut"] or row["model_adds"]["value"] <= 0 for row in facts["baselines"])
    if facts["model"]["roc_auc"]["low"] <= 0.5 or found:
        limitations.append(Limitation("Shortcuts", sentence(facts["verdict"])))
    unequal = [_compare_marks(words, facts["marks"][kind]) for kind, words in _MARKS.items()]
    if any(unequal):
        limitations.append(Limitation("Drawn marks", " ".join([*filter(None, unequal), "A model can use this."])))
    return limitations


def _compare_marks(words: str, classes: dict[str, Figure]) -> str | None:
    """Say which class has more of a kind of marks, where that is no chance."""
    fewest, most = (choose(classes, key=lambda name: classes[name]["value"]) for choose in (min, max))
    difference = difference_of(classes[most], classes[fewest])
    if difference is None or difference["low"] <= 0:
        return None
    more, less = (
        f"{in_words(classes[name])} of the images of {name} (n {classes[name]['n']})" for name in (most, fewest)
    )
    return f"{words} {more}, and in {less}."
