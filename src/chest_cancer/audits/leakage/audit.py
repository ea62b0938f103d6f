"""The audit of leakage: the naive score beside the grouped one, and the leakage curve."""

from typing import Any

from chest_cancer.audits.audit import Finding
from chest_cancer.audits.leakage.other_patients import range_for_other_patients
from chest_cancer.audits.leakage.plot import plot_leakage_curve
from chest_cancer.audits.leakage.scores import compare_naive_and_grouped, draw_leakage_curve
from chest_cancer.audits.sample import Sample
from chest_cancer.network.features import known_patients
from chest_cancer.parameters.blocks import FeatureExtractionParameters, ModelEvaluationParameters
from chest_cancer.reporting.limitation import Limitation, listed
from chest_cancer.statistics.intervals import in_words


def audit_leakage(
    audit_sample: Sample,
    data_summary: dict[str, Any],
    feature_extraction: FeatureExtractionParameters,
    parameters: ModelEvaluationParameters,
    seed: int,
) -> Finding:
    """Compare the naive score with the grouped one, and draw how it falls as look-alikes are kept together.

    The linear head stands in for the classifier's own, so that the data can be audited before a classifier is trained.

    Args:
        audit_sample: The images, and their files.
        data_summary: Summary of the images; `patient_count` where it was told.
        feature_extraction: The block `feature_extraction`: the similarity that groups near-duplicates.
        parameters: The block `model_evaluation`.
        seed: Random seed for folds and draws.

    Returns:
        `naive_and_grouped`, `curve` and `other_patients` (None where patients are known), and the curve's plot.
    """
    compared = compare_naive_and_grouped(audit_sample, parameters, seed)
    curve = draw_leakage_curve(audit_sample, parameters, seed)
    other = None
    if known_patients(audit_sample.files) is None:
        similarity = feature_extraction.groups.similarity
        other = range_for_other_patients(compared, curve, similarity, data_summary.get("patient_count"))
    facts = {"naive_and_grouped": compared, "curve": curve, "other_patients": other}
    plots = {"leakage": plot_leakage_curve(curve, parameters.confidence)}
    return Finding(facts | listed(find_limitations(facts)), plots)


def find_limitations(facts: dict[str, Any]) -> list[Limitation]:
    """Say what the facts do not support."""
    found, compared, curve = [], facts["naive_and_grouped"], facts["curve"]
    if compared and compared["optimism"]["accuracy"]["low"] > 0:
        text = (
            "Files dealt into random folds, copies included, as many projects do, would have given an accuracy of "
            f"{in_words(compared['naive']['accuracy'])}; with copies, look-alikes and known patients together it is "
            f"{in_words(compared['grouped']['accuracy'])}, lower by {in_words(compared['optimism']['accuracy'])}."
        )
        found.append(Limitation("Random splits", text))
    if curve["fall_from"] is not None or curve["look_up_as_good_to"] is not None:
        found.append(Limitation("Memory", curve["sentence"]))
    return found
