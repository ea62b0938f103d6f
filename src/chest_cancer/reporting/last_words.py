"""What a run has found, and what may be believed of it, in the words that it ends with."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from chest_cancer.network.manifest import DataSummary
from chest_cancer.storage.figures import FIRST_FIGURES, UNKNOWN, figures_in, patients_of, title_of

if TYPE_CHECKING:
    import pandas as pd

    from chest_cancer.reporting.templates import AuditedPart

Lines = list[tuple[str, RenderableType]]
"""What is printed: a word for what it is about, and the sentence or table."""

_SHOWN = (*FIRST_FIGURES, "patient_sensitivity", "patient_specificity", "patient_roc_auc")
RESEARCH = "For research only: this is no medical device, and nothing here is a diagnosis."


@dataclass(frozen=True)
class Results:
    """What a run has made.

    Attributes:
        made: Names of catalog entries.
        load: Gives what a catalog entry holds.
        audits: Gives what the audits of `data`, or of data and `model`, found.
        own_figures: Test figures of the model that is served; empty where they are not known.
    """

    made: Collection[str]
    load: Callable[[str], Any]
    audits: Callable[[str], "list[AuditedPart]"]
    own_figures: Callable[[], Mapping[str, Any]]


def say_data(results: Results) -> Lines:
    """Say what the images are, and what can be scored without anatomy."""
    from chest_cancer.reporting.verdict import judge_data

    summary = results.load("data_summary")
    audits = results.audits("data")
    return [("Data", judge_data(DataSummary.of(summary), audits)), *_of_other_patients(audits)]


def say_candidate(results: Results) -> Lines:
    """Say which head was trained, and that nothing is known of it yet."""
    choice, validation = results.load("head_choice"), results.load("candidate").manifest.validation
    words = (
        f"Nothing yet: the accuracy of its answers was {validation.accuracy:.3f} on the {validation.images} validation "
        "images that the training was stopped by; no test image was looked at."
    )
    return [("Trained", f"A {choice['head']} head: {choice['reason']}."), ("Believe", words)]


def say_figures(results: Results) -> Lines:
    """Say what was measured on the test images."""
    manifest, metrics = results.load("candidate").manifest, results.load("metrics")
    data = manifest.data
    splits = ", ".join(f"{name} {count}" for name, count in manifest.splits.items())
    counted = f"{data.files} files, {data.distinct_by_content} distinct, {data.quarantined} in quarantine"
    lines: Lines = [("Data", f"{data.location}: {counted}; images by split: {splits}")]
    title = "Synthetic phantoms: no statement about patients" if data.synthetic else "Test images"
    if patients_of(metrics) == UNKNOWN and not data.synthetic:
        title += ", whose patients may also be in training"
    table = Table("figure", "value", "interval", "n", title=title, title_justify="left")
    figures = figures_in(metrics)
    for name, figure in ((name, figures[name]) for name in _SHOWN if name in figures):
        value = "unknown" if figure["value"] is None else f"{figure['value']:.3f}"
        table.add_row(Text(title_of(name)), value, f"{figure['low']:.3f} to {figure['high']:.3f}", str(figure["n"]))
    return [*lines, ("Figures", table)]


def say_report(results: Results) -> Lines:
    """Say what was measured, and what may be believed of it."""
    from chest_cancer.reporting.verdict import judge

    manifest, metrics, audits = results.load("candidate").manifest, results.load("metrics"), results.audits("model")
    verdict = ("Believe", judge(metrics, manifest, audits))
    return [*say_figures(results), verdict, *_of_other_patients(audits), ("", RESEARCH)]


def _of_other_patients(audits: "list[AuditedPart]") -> Lines:
    """Say what the figures may be for other patients; nothing where patients are known, or nothing was measured."""
    from chest_cancer.reporting.templates import other_patients_of

    other = other_patients_of(audits)
    if other is None:
        return []
    accuracy, area = (
        " to ".join(dict.fromkeys(f"{other[name][end]['value']:.3f}" for end in ("lowest", "grouped")))
        for name in ("accuracy", "roc_auc")
    )
    ranges = f"For other patients: accuracy {accuracy}, area under the ROC curve {area}."
    return [("", " ".join([ranges, other["sentence"], *filter(None, [other["estimate"]])]))]


def say_external(results: Results) -> Lines:
    """Say how the model does at the other site."""
    facts = results.load("external_validation")
    verdict: Lines = [("" if number else "Believe", sentence) for number, sentence in enumerate(facts["verdict"])]
    return [("Data", f"{facts['source']['location']}: {facts['copies']['words']}"), *verdict, ("", RESEARCH)]


def say_batch(results: Results) -> Lines:
    """Say what was answered."""
    # Here, because it needs SciPy, which takes a second, and every run begins with this module.
    from chest_cancer.reporting.served_model import NO_PERSON
    from chest_cancer.statistics.intervals import in_words

    facts = results.load("batch_summary")
    answers = ", ".join(f"{label} {count:,}" for label, count in facts["answers"].items()) or "none"
    found = (
        f"{facts['source']}: {facts['rows']:,} images; answers: {answers}; "
        f"{facts['without_answer_in_all']:,} without an answer, of which {facts['unreadable']:,} could not be read"
    )
    right = results.own_figures().get("accuracy")
    own = f"On its own test images the model answers {in_words(right)} of {right['n']} rightly." if right else ""
    words = f"These images have no labels, so nobody knows how many answers are right. {own}".rstrip()
    said: Lines = [("Batch", found), ("Believe", words)]
    if facts["model_synthetic"]:
        said.append(("", f"{NO_PERSON[0].upper()}{NO_PERSON[1:]}."))
    return [*said, ("", RESEARCH)]


def after_batch(results: Results) -> Mapping[str, str]:
    """Say what to do next: the other shares, or to measure the model."""
    facts = results.load("batch_summary")
    if missing := facts["parts"] - facts["parts_done"]:
        words = f"the other shares ({missing} of {facts['parts']} parts are missing), and at last once without `part`"
        return {"kedro run --pipelines batch_inference --params batch_inference.part=<another>": words}
    labelled = "kedro run --pipelines external_validation --params external_validation.source=<labelled images>"
    return {labelled: "measures the model on images of the same site"}


def say_search(results: Results) -> Lines:
    """Say which parameters were best."""
    trials = results.load("search_trials")
    chosen = ", ".join(f"{name} {value}" for name, value in _best_of(trials).items())
    found = f"The best of {len(trials)} trials has a loss of {trials['loss'].min():.4f} out of fold: {chosen}."
    words = "The best of many trials looks better than it is: only the test images can say how good it is."
    return [("Found", found), ("Believe", words)]


def after_search(results: Results) -> Mapping[str, str]:
    """Say how to use them."""
    chosen = ",".join(
        f"model_training.{name}={value}" for name, value in _best_of(results.load("search_trials")).items()
    )
    return {
        f"kedro run --params {chosen}": "trains with them, and measures",
        "make mlflow": "compares the runs",
    }


def _best_of(trials: "pd.DataFrame") -> dict[str, str]:
    """Parameters of the trial with the lowest loss."""
    best = trials.sort_values("loss").iloc[0].drop(["trial", "loss", "seconds"]).dropna()
    return {str(name): value if isinstance(value, str) else f"{value:.6g}" for name, value in best.items()}
