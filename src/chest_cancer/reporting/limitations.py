"""What the figures of a run do not support, in plain words, worked out from the figures and the audits."""

from typing import Any, NamedTuple

from chest_cancer.network.manifest import DataSummary
from chest_cancer.reporting.style import percent
from chest_cancer.statistics.intervals import Figure, in_words

Audits = dict[str, dict[str, Any]]

_FALSE_REFUSAL, _DETECTION, _DELETION = 0.05, 0.95, 0.01
"""What abstention and evidence maps are expected to reach: at most, at least, and at most."""


class Limitation(NamedTuple):
    """One thing that the figures do not support."""

    title: str
    text: str


def find_limitations(
    metrics: dict[str, Figure], data: DataSummary, audits: Audits, confidence: float
) -> list[Limitation]:
    """List what a reader must know before the figures are used, the gravest first.

    Args:
        metrics: Figures of the test split.
        data: The manifest's summary of the data.
        audits: By name, each empty where it was not made.
        confidence: Of all intervals, 0..1.
    """
    found = [_origin(data), _size(metrics, confidence)]
    if not any(audits.values()):
        missing = "Nobody looked for copies, leakage and shortcuts: the audits were switched off."
        return [*found, Limitation("Not audited", missing)]
    sources = (
        *_on_data(audits),
        _on_refusal(audits.get("refusal"), metrics),
        _on_evidence(audits.get("evidence")),
        _on_robustness(audits.get("robustness")),
    )
    return found + [limitation for limitations in sources for limitation in limitations]


def find_data_limitations(data: DataSummary, audits: Audits) -> list[Limitation]:
    """List what a reader must know of the images; arguments as above."""
    return [_origin(data), *(limitation for limitations in _on_data(audits) for limitation in limitations)]


def _on_data(audits: Audits) -> tuple[list[Limitation], ...]:
    return (
        _on_shortcuts(audits.get("shortcuts")),
        _on_leakage(audits.get("leakage")),
        _on_duplicates(audits.get("duplicates")),
    )


def _origin(data: DataSummary) -> Limitation:
    if data.synthetic:
        text = (
            "The slices are computer-drawn phantoms. The figures show that the program works, nothing about patients."
        )
        return Limitation("Synthetic data", text)
    return Limitation(
        "One source, unknown patients",
        "No slice from another hospital, scanner or population was seen. Which slices are of one patient is not known: "
        "near-duplicates stand in for that, and slices of a patient that look different may be in two splits.",
    )


def _size(metrics: dict[str, Figure], confidence: float) -> Limitation:
    accuracy = metrics["accuracy"]
    text = (
        f"The figures rest on {accuracy['n']} test images: the accuracy may be anything from {accuracy['low']:.2f} to "
        f"{accuracy['high']:.2f} ({percent(confidence)} interval)."
    )
    return Limitation("Size of the test split", text)


def _on_shortcuts(audit: dict[str, Any] | None) -> list[Limitation]:
    if not audit:
        return []
    if audit["model"]["roc_auc"]["low"] > 0.5 and not any(row["shortcut"] for row in audit["baselines"]):
        return []
    return [Limitation("Shortcuts", sentence(audit["verdict"]))]


def _on_leakage(audit: dict[str, Any] | None) -> list[Limitation]:
    if not audit:
        return []
    found, pair, curve = [], audit["naive_and_grouped"], audit["curve"]
    if pair and pair["optimism"]["accuracy"]["low"] > 0:
        text = (
            "Files dealt into random folds, copies included, as many projects do, would have given an accuracy of "
            f"{in_words(pair['naive']['accuracy'])}; with copies and look-alikes kept together it is "
            f"{in_words(pair['grouped']['accuracy'])}, lower by {in_words(pair['optimism']['accuracy'])}."
        )
        found.append(Limitation("Random splits", text))
    if curve["fall_from"] is not None or curve["look_up_as_good_to"] is not None:
        found.append(Limitation("Memory", curve["sentence"]))
    return found


def _on_duplicates(audit: dict[str, Any] | None) -> list[Limitation]:
    if not audit:
        return []
    counts, parts = audit["counts"], []
    copies = counts["files"] - counts["distinct_by_pixels"]
    if copies:
        parts.append(f"{copies} of {counts['files']} files are copies of others; each distinct slice counts once here.")
    if counts["source_test"] and counts["source_test"]["with_twin"]:
        parts.append(count_twins(counts["source_test"]))
    if counts["contradicting_files"]:
        parts.append(f"{counts['contradicting_files']} files show a slice that has another label elsewhere.")
    return [Limitation("Copies", " ".join(parts))] if parts else []


def count_twins(source_test: dict[str, Any]) -> str:
    """Say how many of the source's test images have a twin in its training folder, and of which kind."""
    kinds = {"exact": "the same bytes", "same pixels": "the same pixels", "near": "nearly the same picture"}
    of_kind = ", ".join(f"{source_test[kind]} {words}" for kind, words in kinds.items() if source_test[kind])
    return (
        f"{source_test['with_twin']} of the source's {source_test['images']} test images have a twin in its training "
        f"folder{f' ({of_kind})' if of_kind else ''}."
    )


def _on_refusal(audit: dict[str, Any] | None, metrics: dict[str, Figure]) -> list[Limitation]:
    if not audit:
        return []
    parts, detected, refused = [], audit["photographs_and_text"]["refused"], metrics["false_refusal"]
    if detected["value"] is not None and detected["value"] < _DETECTION:
        parts.append(f"Of photographs and text pages only {in_words(detected)} are refused (n {detected['n']}).")
    if refused["value"] is not None and refused["value"] > _FALSE_REFUSAL:
        parts.append(f"Of test slices {in_words(refused)} are called no chest CT (n {refused['n']}).")
    return [Limitation("Abstention", " ".join(parts))] if parts else []


def _on_evidence(audit: dict[str, Any] | None) -> list[Limitation]:
    if not audit:
        return []
    parts, overlaps, deletion = [], audit["overlaps"], audit["deletion"]
    if overlaps is None:
        parts.append("Nobody drew lesions, so whether the map shows disease is unknown.")
    elif overlaps["pointing_exact"]["measured"]["low"] <= overlaps["pointing_exact"]["chance"]:
        measured, chance = overlaps["pointing_exact"]["measured"], overlaps["pointing_exact"]["chance"]
        parts.append(
            f"The peak lies in the lesion no more often than by chance: {in_words(measured)} for {chance:.2f}."
        )
    if deletion["p"] > _DELETION:
        parts.append(
            f"Deleting the cells of most evidence is not measurably worse for an answer than deleting random ones "
            f"(p {deletion['p']:.2g}, n {deletion['n']})."
        )
    return [Limitation("Evidence maps", " ".join(parts))] if parts else []


def _on_robustness(audit: dict[str, Any] | None) -> list[Limitation]:
    if not audit:
        return []
    worst = max(audit["changes"], key=lambda change: change["flipped"]["value"])
    if not worst["flipped"]["value"]:
        return []
    text = f"Under {worst['label']} {in_words(worst['flipped'])} of the answers change (n {worst['flipped']['n']})."
    return [Limitation("Robustness", text)]


def sentence(words: str) -> str:
    """Begin with a capital letter and end with a full stop."""
    return f"{words[0].upper()}{words[1:]}."
