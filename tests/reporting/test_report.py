"""The report and the model card: they say what was measured, and what that does not support."""

import re
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import pytest

import chest_cancer
from chest_cancer.audits.audit import node_of
from chest_cancer.audits.black_lungs import audit as black_lungs
from chest_cancer.audits.decision_curve import audit as decision_curve
from chest_cancer.audits.deletion import audit as deletions
from chest_cancer.audits.duplicates import audit as duplicates
from chest_cancer.audits.evidence import audit as evidence
from chest_cancer.audits.identity import audit as identity
from chest_cancer.audits.leakage import audit as leakage
from chest_cancer.audits.metadata import audit as metadata
from chest_cancer.audits.prediction_sets import audit as prediction_sets
from chest_cancer.audits.refusal import audit as refusal
from chest_cancer.audits.regions import audit as where
from chest_cancer.audits.registry import AUDITS
from chest_cancer.audits.robustness import audit as robustness
from chest_cancer.audits.shortcuts import audit as shortcuts
from chest_cancer.audits.subgroups import audit as subgroups
from chest_cancer.audits.suspects import audit as suspects
from chest_cancer.network.manifest import Limits, Manifest, PatientArea, PatientPoint
from chest_cancer.parameters.blocks import FeatureExtractionParameters, ModelEvaluationParameters
from chest_cancer.reporting.data_report import render_data_card, render_data_report
from chest_cancer.reporting.limitation import listed
from chest_cancer.reporting.pictures import Gallery
from chest_cancer.reporting.ranked_limitations import GRAVEST_FIRST, find_data_limitations, find_limitations
from chest_cancer.reporting.report import render_model_card, render_report
from chest_cancer.reporting.templates import AuditedPart, fill_sections
from manifests import manifest_of


def manifest(**changes: Any) -> Manifest:
    data = {
        "digest": "d" * 64, "files": 9, "readable": 8, "quarantined": 1, "distinct_by_content": 7,
        "distinct_by_pixels": 6, "classes": {"normal": {"images": 4, "distinct": 3}},
    }  # fmt: skip
    return manifest_of(
        data=data | changes,
        head_reason="the linear one was asked for",
        splits={"test": 2, "train": 3},
        operating_point={"threshold": 0.4321, "target_sensitivity": 0.95},
        validation={"images": 11, "loss": 0.5, "accuracy": 0.75},
        provenance={"git_commit": "c0ffee"},
        precision="bf16",
    )


PROMOTION = "Promoted: the first model, with no champion before it."
EXAMPLES: Gallery = {
    "errors": [
        {"path": "a/1.png", "said": "a, answered b (0.98)", "wrong": True, "plain": "data:,1", "covered": "data:,2"}
    ],
    "examples": [],
}
METRICS = {
    "accuracy": {"value": 0.75, "low": 0.41, "high": 0.93, "n": 8},
    "recall_normal": {"value": None, "low": 0.0, "high": 1.0, "n": 0},
}


ANSWERS = pd.DataFrame({"label": ["a", "a", "b"], "predicted": ["a", "b", "b"], "reason": [None] * 3})


def quarantine(*rows: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["path", "reason"])


def test_the_report_says_what_was_measured_on_what() -> None:
    page = render_report(
        METRICS, manifest(), quarantine(("normal/broken.png", "not an image")), [], {}, 0.95, PROMOTION, EXAMPLES
    )

    for text in ("0.750", "0.410 to 0.930", "unknown", "0.432", "test 2, train 3", "c0ffee", "d" * 64, "not an image",
                 "normal/broken.png", "9; 8 readable, 7 distinct by content, 6 distinct by pixels, 1 in quarantine",
                 "not a medical device", "CC BY 4.0", PROMOTION):  # fmt: skip
        assert text in page
    assert "nan" not in page


def test_the_report_calls_phantoms_synthetic_and_nothing_else() -> None:
    synthetic, real = (
        render_report(METRICS, manifest(synthetic=is_so), quarantine(), [], {}, 0.95, PROMOTION, EXAMPLES)
        for is_so in (True, False)
    )

    assert "<strong>Synthetic data.</strong>" in synthetic
    assert "Synthetic" not in real
    assert "not a medical device" in real
    assert "No file is in quarantine." in real


def test_the_report_shows_hostile_names_as_text() -> None:
    hostile = "<script>alert('x')</script>.png"
    classes = {"<b>bold</b>": {"images": 1, "distinct": 1}}

    page = render_report(
        METRICS,
        manifest(location="https://x/?<img>", classes=classes),
        quarantine((hostile, "a < b & c")),
        [],
        {},
        0.95,
        PROMOTION,
        EXAMPLES,
    )

    assert hostile not in page
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;.png" in page
    assert "a &lt; b &amp; c" in page
    assert "<b>bold" not in page
    assert "<img>" not in page


def test_the_report_shows_hostile_class_names_in_plots_as_text() -> None:
    plot = go.Figure(go.Heatmap(x=["</script><script>alert(1)</script>"], z=[[1]]))

    page = render_report(METRICS, manifest(), quarantine(), [], {"roc": plot}, 0.95, PROMOTION, EXAMPLES)

    assert "</script><script>alert(1)" not in page


def test_the_report_holds_plotly_once_and_asks_for_nothing_from_outside() -> None:
    plots = {name: go.Figure(go.Scatter(x=[1], y=[1])) for name in ("roc", "confusion", "history")}

    page = render_report(METRICS, manifest(), quarantine(), [], plots, 0.95, PROMOTION, EXAMPLES)

    assert page.count("Plotly.newPlot(") >= 3
    assert 4_000_000 < len(page) < 8_000_000
    assert not re.search(r"<script[^>]*\ssrc=", re.sub(r"(?s)(<script[^>]*>).*?</script>", r"\1", page))
    assert not re.search(r"https?://|<link|@import", re.sub(r"(?s)<script.*?</script>", "", page))


def test_the_report_opens_a_short_quarantine_and_folds_a_long_one() -> None:
    short, long = (
        render_report(
            METRICS,
            manifest(),
            quarantine(*[(f"{n}.png", "bad") for n in range(count)]),
            [],
            {},
            0.95,
            PROMOTION,
            EXAMPLES,
        )
        for count in (2, 40)
    )

    assert "<details open>" in short
    assert "<details open>" not in long
    assert "40 files were not used" in long


def figure(value: float | None, half: float = 0.05, n: int = 20) -> dict[str, Any]:
    if value is None:
        return {"value": None, "low": 0.0, "high": 1.0, "n": 0}
    return {"value": value, "low": value - half, "high": value + half, "n": n}


OTHER_PATIENTS = {
    **{
        name: {
            "lowest": figure(low) | {"similarity": 0.88, "groups": 342},
            "grouped": figure(high) | {"similarity": 0.97, "groups": 470},
        }
        for name, low, high in (("accuracy", 0.751, 0.811), ("roc_auc", 0.826, 0.892))
    },
    "sentence": "Patients aren't known.",
    "estimate": None,
}


def suspicious_audits() -> dict[str, dict[str, Any]]:
    """What audits say of data in which everything is wrong."""
    score = {"accuracy": figure(0.9), "roc_auc": figure(0.95)}
    pair = {
        "naive": {**score, "groups": 5},
        "grouped": {"accuracy": figure(0.8), "roc_auc": figure(0.85), "groups": 5},
        "optimism": {"accuracy": figure(0.1), "roc_auc": figure(0.1)},
    }
    curve = {"points": [], "stopped": None, "fall_from": 0.98, "look_up_as_good_to": None, "sentence": "It is memory."}
    baseline = {"name": "brightness", "sees": "grey levels", "shortcut": True, "model_adds": figure(0.0), **score}
    test_folder = {"images": 9, "with_twin": 4, "exact": 3, "same pixels": 0, "near": 1, "patient": 0}
    counts = {
        "files": 30, "distinct_by_content": 20, "distinct_by_pixels": 18, "groups": 15, "contradicting_groups": 1,
        "contradicting_files": 2, "source_test": test_folder,
    }  # fmt: skip
    chance = {"measured": figure(0.2), "chance": 0.2}
    overlaps = dict.fromkeys(("pointing", "pointing_exact", "inside", "intersection_over_union"), chance)
    deletion = {"strongest": 0.1, "random": 0.1, "p": 0.4, "n": 20, "groups": 20}
    row = {"perturbation": "noise", "strength": 0.1, "label": "noise, SD 5 %", "abstained": figure(0.0), **score}
    refused = {"refused": figure(0.5), "sources": 8}
    group = {"group": "F", "images": 20, "patients": 12}
    column = {"name": "sex", "association": figure(0.6), "groups": [{**group, "classes": {"normal": 5, "b": 15}}]}
    worse = {
        "measured": figure(0.6), "others": figure(0.9), "difference": figure(-0.3), "p": 0.001, "p_holm": 0.004,
    }  # fmt: skip
    deleted = {
        "unit": "files",
        "similarity": 0.98,
        "deleted": 3.0,
        "trained": 9.0,
        "with_near": figure(0.4),
        "balanced_accuracy": dict.fromkeys(("everything", "near", "random", "same_classes"), figure(0.8)),
        **dict.fromkeys(("beyond_random", "beyond_same_classes", "typical"), figure(0.15)),
    }
    regions = [{"name": "without lungs", "title": "lungs blacked out, too", **score, "less": figure(0.0)}]
    return {
        "metadata": {
            "columns": [column],
            "images": 20,
            "patients": None,
            "baseline": {"metadata": score, "model": score, "model_adds": figure(0.0), "most_frequent": figure(0.5)},
        },
        "subgroups": {
            "columns": [{"name": "sex", "groups": [{**group, "figures": {"accuracy": worse, "roc_auc": worse}}]}],
            "figures": {"accuracy": figure(0.8), "roc_auc": figure(0.9)},
            "questions": 4,
            "images": 40,
            "patients": 24,
            "are_patients": True,
            "smallest_p": 0.05,
        },
        "leakage": {"naive_and_grouped": pair, "curve": curve, "other_patients": OTHER_PATIENTS},
        "shortcuts": {
            "model": score,
            "baselines": [baseline],
            "best": "brightness",
            "verdict": "the model adds nothing over brightness",
            "marks": {kind: {"a": figure(0.3), "b": figure(0.1)} for kind in ("coloured", "letters")},
        },
        "deletion": {"rows": [deleted], "sentence": "It is worth 0.15."},
        "suspects": {"kinds": dict.fromkeys(suspects.KINDS, figure(0.1)), "suspects": 2, "shown": []},
        "decision_curve": {"positive": ["a"], "points": [], "useful": [0.7], "sentence": "It is worth little."},
        "prediction_sets": {
            "promised": 0.9,
            "limit": 0.2,
            "images": 30,
            "groups": 12,
            "coverage": figure(0.7),
            "classes": {"a": figure(0.9)},
            "sizes": {"1": figure(0.9)},
        },
        "regions": {"regions": regions, "sentence": "It is still 0.95.", "pictures": [], "without_lungs": {}},
        "black_lungs": {"classes": {"a": figure(0.2), "b": figure(0.01), "c": figure(0.4)}, "most_black": 0.2},
        "duplicates": {
            "counts": counts,
            "twins": [],
            "groups": [],
            "twins_in_words": duplicates.count_twins(test_folder),
            "of_several_patients": {"pictures": 0, "patients": 0, "shown": []},
        },
        "identity": {
            "images": 30,
            "patients": 9,
            "compared": {
                "folds": {kind: {**score, "groups": 9} for kind in ("random", "near-duplicates", "patients")},
                "optimism": dict.fromkeys(("random", "near-duplicates"), pair["optimism"]),
            },
            "pairs": {"same_patient": 0, "same_group": 0, "both": 0, "recall": None, "precision": None},
            "look_up": {"border": figure(0.8), "embedding": figure(0.9), "chance": 0.1},
        },
        "evidence": {"overlaps": overlaps, "deletion": deletion, "deleted_cells": 5, "shuffled_correlation": 0.5},
        "robustness": {"changes": [{**row, "flipped": figure(0.0)}, {**row, "flipped": figure(0.4)}]},
        "refusal": {
            "photographs_and_text": refused,
            "kinds": {"photograph": refused},
            "chests": {
                "foreign": {"probable": figure(0.3), "warned": figure(0.7), "declined": figure(0.0), "sources": 9}
            },
            "own": {"false_refusal": figure(0.1), "warned": figure(0.05)},
            "trade": [],
        },
    }


def parts(audits: dict[str, dict[str, Any]], metrics: dict[str, Any], subject: str = "") -> list[AuditedPart]:
    """What these facts are to the report: each audit's, with the limitations that it finds in them."""
    finders = {
        "identity": identity.find_limitations,
        "metadata": metadata.find_limitations,
        "subgroups": subgroups.find_limitations,
        "leakage": leakage.find_limitations,
        "shortcuts": shortcuts.find_limitations,
        "regions": where.find_limitations,
        "black_lungs": black_lungs.find_limitations,
        "duplicates": duplicates.find_limitations,
        "deletion": deletions.find_limitations,
        "suspects": suspects.find_limitations,
        "decision_curve": decision_curve.find_limitations,
        "prediction_sets": prediction_sets.find_limitations,
        "evidence": evidence.find_limitations,
        "robustness": robustness.find_limitations,
        "refusal": lambda facts: refusal.find_limitations(facts, metrics),
    }
    return [
        AuditedPart(audit.name, audit.title, audits[audit.name] | listed(finders[audit.name](audits[audit.name])), {})
        for audit in AUDITS
        if audit.subject.startswith(subject)
    ]


SUSPICIOUS = METRICS | {"false_refusal": figure(0.1)}
SAID = {
    "Shortcuts": "The model adds nothing over brightness.",
    "Classes that differ in metadata": "`sex` goes most surely with the class (Cramér's V 0.60 [0.55, 0.65]).",
    "Subgroups that differ": "Where `sex` is `F`, figures are worse than for the others. Accuracy: 0.60 [0.55",
    "Random splits of patients": "with each patient on one side it is 0.95 [0.90, 1.00], lower by 0.10",
    "Fingerprints": "in 0.80 [0.75, 0.85] of the images, where chance gives 0.10",
    "Random splits": "0.90 [0.85, 0.95]; with copies, look-alikes and known patients together it is 0.80 [0.75,",
    "Memory": "It is memory.",
    "Where the information is": "It is still 0.95.",
    "Black lungs": "In 0.20 [0.15, 0.25] of the pictures of a (n 20) and 0.40 [0.35, 0.45] of the pictures of c (n",
    "Drawn marks": "Coloured marks are in 0.30 [0.25, 0.35] of the images of a (n 20), and in 0.10 [0.05, 0.15] of the",
    "What near-duplicates are worth": "It is worth 0.15.",
    "Suspects": "0.100 [0.050, 0.150] of the labels (n 20) may be wrong",
    "Decisions": "Between thresholds of 0.05 and 0.5",
    "Prediction sets": "0.9 of the images hold it in 0.70 [0.65, 0.75] of all test images (n 20)",
    "Copies": "4 of the source's 9 test images have a twin in its training folder (3 the same bytes, 1 nearly the same",
    "Abstention": "only 0.50 [0.45, 0.55] are refused (n 20). Of test slices 0.10 [0.05, 0.15] are called no chest CT "
    "(n 20). Of chest CT unlike the training images 0.30 [0.25, 0.35] are answered with a probability",
    "Evidence maps": "random ones: p 0.4 (n 20, in 20 groups), and it is called shown at 0.01 or less.",
    "Robustness": "Under noise, SD 5 % 0.40 [0.35, 0.45] of the answers change (n 20)",
}


@pytest.mark.parametrize("title", SAID)
def test_what_an_audit_found_is_a_limitation(title: str) -> None:
    found = dict(find_limitations(SUSPICIOUS, manifest(), parts(suspicious_audits(), SUSPICIOUS), 0.95))

    assert SAID[title] in found[title]


def test_what_no_audit_found_is_none() -> None:
    audits = suspicious_audits()
    audits["leakage"]["naive_and_grouped"]["optimism"]["accuracy"] = figure(0.0)
    audits["leakage"]["curve"]["fall_from"] = None
    audits["shortcuts"]["baselines"][0] |= {"shortcut": False, "model_adds": figure(0.1)}
    audits["shortcuts"]["marks"] = {kind: {"a": figure(0.1), "b": figure(0.1)} for kind in ("coloured", "letters")}
    audits["deletion"]["rows"][0]["beyond_same_classes"] = figure(0.0)
    audits["suspects"]["kinds"]["label"] = figure(0.0)
    audits["decision_curve"]["useful"] = [0.2]
    audits["prediction_sets"]["coverage"] = figure(0.9)
    audits["duplicates"]["counts"] |= {
        "files": 18, "distinct_by_content": 18, "contradicting_files": 0, "source_test": None
    }  # fmt: skip
    audits["duplicates"]["twins_in_words"] = None
    audits["black_lungs"]["classes"] = {"a": figure(0.05)}
    audits["regions"]["regions"][0]["roc_auc"] = figure(0.5)
    audits["identity"]["compared"]["optimism"]["random"] = {"accuracy": figure(0.0), "roc_auc": figure(0.0)}
    audits["identity"]["look_up"]["border"] = figure(0.1)
    audits["metadata"]["baseline"]["metadata"] = {"accuracy": figure(0.5), "roc_auc": figure(0.52)}
    for each in audits["subgroups"]["columns"][0]["groups"][0]["figures"].values():
        each["p_holm"] = 0.06
    audits["evidence"]["overlaps"]["pointing_exact"] = {"measured": figure(0.9), "chance": 0.2}
    audits["evidence"]["deletion"]["p"] = 0.001
    audits["robustness"]["changes"] = audits["robustness"]["changes"][:1]
    audits["refusal"]["photographs_and_text"]["refused"] = figure(1.0)
    audits["refusal"]["chests"]["foreign"]["probable"] = figure(0.1)
    metrics = METRICS | {"false_refusal": figure(0.0)}

    found = dict(find_limitations(metrics, manifest(), parts(audits, metrics), 0.95))

    assert list(found) == ["Synthetic data", "Small test split"]


def test_limitations_are_ranked_by_what_they_do_to_the_figures() -> None:
    found = [
        each.title for each in find_limitations(SUSPICIOUS, manifest(), parts(suspicious_audits(), SUSPICIOUS), 0.95)
    ]

    graver = ["Synthetic data", "Shortcuts", "Where the information is", "Classes that differ in metadata"]
    assert found[:5] == [*graver, "Small test split"]
    assert found[-2:] == ["Random splits of patients", "Random splits"]


def test_a_limitation_that_nobody_ranked_comes_last() -> None:
    part = AuditedPart("new", "New", {"limitations": [{"title": "New", "text": "It is new."}]}, {})

    assert [each.title for each in find_data_limitations(manifest().data, [part])] == ["Synthetic data", "New"]


def test_every_limitation_of_figures_has_a_rank() -> None:
    source = Path(chest_cancer.__file__).parent
    files = [*source.glob("audits/*/audit.py"), source / "reporting" / "ranked_limitations.py"]
    titles = {title for file in files for title in re.findall(r'Limitation\(\s*"([^"]+)"', file.read_text())}

    assert titles <= set(GRAVEST_FIRST)
    assert len(GRAVEST_FIRST) == len(set(GRAVEST_FIRST))


def test_that_audits_trained_another_head_than_the_served_one_is_a_limitation() -> None:
    part = AuditedPart("new", "New", {"anything": 1}, {})

    def said(head: str, audits: list[AuditedPart]) -> dict[str, str]:
        return dict(find_limitations(METRICS, manifest().model_copy(update={"head": head}), audits, 0.95))

    assert "how much of its score is memory was not measured" in said("cells", [part])["Audited with another head"]
    assert "Audited with another head" not in said("linear", [part])
    assert "Audited with another head" not in said("cells", [])


def test_a_threshold_that_few_validation_patients_set_is_a_limitation() -> None:
    def said(positive: int, negative: int) -> dict[str, str]:
        point = PatientPoint(
            rule="noisy-or", k=3, threshold=0.5, target_sensitivity=0.95, reason="", positive=positive,
            negative=negative, compared=(),
        )  # fmt: skip
        figures = {"patient_sensitivity": figure(0.9, n=12), "patient_specificity": figure(0.2, n=14)}
        about = manifest().model_copy(update={"patient_rule": point})
        return dict(find_limitations(METRICS | figures, about, [], 0.95))

    words = said(11, 13)["A threshold from few patients"]
    assert "set on 11 positive and 13 negative validation patients (fewer than 50), to find 95 % of" in words
    assert "sensitivity is 0.90 [0.85, 0.95] (n 12) and the specificity 0.20 [0.15, 0.25] (n 14)." in words
    assert "A threshold from few patients" in said(50, 49)
    assert "A threshold from few patients" not in said(50, 50)
    assert "A threshold from few patients" not in found_in()


def test_the_first_screen_has_three_limitations_and_the_rest_is_folded() -> None:
    audits = parts(suspicious_audits(), SUSPICIOUS, "data")
    page = render_report(SUSPICIOUS, manifest(), quarantine(), audits, {}, 0.95, PROMOTION, EXAMPLES)

    shown = page[page.index("What these figures do not support") : page.index("more, the gravest first")]
    titles = re.findall(r"<li><strong>(.*?)\.</strong>", shown)
    assert titles == ["Synthetic data", "Shortcuts", "Where the information is"]


def test_the_report_says_at_the_top_when_and_from_what_the_model_was_made() -> None:
    page = render_report(METRICS, manifest(), quarantine(), [], {}, 0.95, PROMOTION, EXAMPLES)

    made = "Made on 23 November 2026, 06:33 UTC by MLflow run 5fa5a1e6 (chest-cancer 1.2.3, commit c0ffee): VGG16 with"
    assert page.index(made) < page.index("What can be believed")
    assert "from 9 files of phantom (data dddddddd)." in page


def test_the_report_shows_the_worst_errors() -> None:
    page = render_report(METRICS, manifest(), quarantine(), [], {}, 0.95, PROMOTION, EXAMPLES)

    assert '<img src="data:,1" alt="a/1.png"><img src="data:,2" alt="Its evidence map">' in page
    assert "a, answered b (0.98)" in page


def found_in(**figures: dict[str, Any]) -> dict[str, str]:
    return dict(find_limitations(METRICS | figures, manifest(), parts(suspicious_audits(), SUSPICIOUS), 0.95))


def test_bad_calibration_is_a_limitation_where_chance_does_not_explain_it() -> None:
    bad = {"value": 0.255, "low": 0.212, "high": 0.298, "n": 114}

    said = found_in(ece=bad)["Bad calibration"]

    assert "off by 0.255 [0.212, 0.298] on average (calibration error, n 114; more than 0.1 at the lower end" in said
    assert "Bad calibration" not in found_in(ece=bad | {"low": 0.1})
    assert "Bad calibration" not in found_in(ece=bad | {"value": None})


def test_abstention_that_leaves_no_better_answers_is_a_limitation() -> None:
    def said(given: float | None, forced: float = 0.819, declined: float = 0.1) -> dict[str, str]:
        figures = {
            "abstained": figure(declined),
            "selective_accuracy": figure(given),
            "forced_accuracy": figure(forced),
        }
        return found_in(**figures)

    words = said(0.814)["Abstention does not help"]
    assert words.startswith("0.10 [0.05, 0.15] of the test images get no answer (n 20), and that does not make the")
    assert "0.814 [0.764, 0.864] of those given are right, and 0.819 [0.769, 0.869] would be if every" in words
    assert "Abstention does not help" not in said(0.83)
    assert "Abstention does not help" not in said(0.819, declined=0.0)
    assert said(None, declined=1.0)["No answers"] == "Not one of 20 test images was answered."


def test_a_class_that_is_never_answered_is_a_limitation() -> None:
    never = "A class that is never answered"

    said = found_in(recall_normal=figure(0.0, n=27), precision_normal=figure(None))

    assert said[never] == "Not one test image was answered as normal, though 27 are normal."
    assert never not in found_in(recall_normal=figure(0.1, n=27), precision_normal=figure(0.9, n=3))
    assert never not in found_in(recall_normal=figure(None), precision_normal=figure(None))


def test_the_report_says_first_what_became_of_the_images_of_each_class() -> None:
    named = {f"{kind}_normal": figure(value) for kind, value in (("coverage", 0.9), ("recall", 0.6), ("wrong", 0.3))}

    page = render_report(METRICS | named, manifest(), quarantine(), [], {}, 0.95, PROMOTION, EXAMPLES)

    row = "<td>normal</td>" + "".join(f'<td class="figure">{shown}</td>' for shown in (
        "0.900 [0.850, 0.950]", "0.600 [0.550, 0.650]", "0.300 [0.250, 0.350]"
    ))  # fmt: skip
    assert page.index(row) < page.index("All figures")


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("operating threshold", "An image is answered as diseased where the probability of any disease"),
        ("most probable class", "The most probable class is the answer; the operating threshold, any disease against"),
    ],
)
def test_the_report_says_which_rule_answers(rule: str, words: str) -> None:
    about = manifest().model_copy(update={"answer_rule": rule})

    assert words in render_report(METRICS, about, quarantine(), [], {}, 0.95, PROMOTION, EXAMPLES)


def test_report_and_card_say_how_patients_are_scored_and_what_each_rule_gave() -> None:
    point = PatientPoint(
        rule="noisy-or", k=3, threshold=-0.25, target_sensitivity=0.9, reason="largest area of them", positive=12,
        negative=14, compared=(PatientArea(rule="noisy-or", roc_auc=0.91, low=0.7, high=0.98, patients=26),),
    )  # fmt: skip
    about = manifest().model_copy(update={"patient_rule": point, "positive_classes": ("malignant",)})
    metrics = METRICS | {"patient_roc_auc": figure(0.9, n=25)}

    page = render_report(metrics, about, quarantine(), [], {}, 0.95, PROMOTION, EXAMPLES)
    card = render_model_card(metrics, about, ANSWERS, [], 0.95)

    assert "score is the noisy-or of all slices, declined ones included: largest area of them" in page
    assert '<td>noisy-or</td><td class="number">0.910</td><td class="number">0.700 to 0.980</td>' in page
    assert "about malignant; those at the threshold are about any disease" in page
    assert "<td>patients: area under the ROC curve</td>" in page
    assert "| patients: area under the ROC curve | 0.900 [0.850, 0.950] | 25 |" in card
    assert "| score of a patient | noisy-or: largest area of them |" in card
    assert "score of a patient" not in render_model_card(METRICS, manifest(), ANSWERS, [], 0.95)


def test_a_sentence_joins_the_accuracy_of_the_folds_with_that_of_the_test_split() -> None:
    metrics = SUSPICIOUS | {"forced_accuracy": figure(0.7)}
    audited = parts(suspicious_audits(), metrics, "data")

    page = render_report(metrics, manifest(), quarantine(), audited, {}, 0.95, PROMOTION, EXAMPLES)

    assert (
        "own accuracy, 0.750 [0.410, 0.930] on 8 test images (0.700 [0.650, 0.750] if every image were answered)"
        in page
    )
    without_a_classifier = fill_sections(audited)
    assert not any("own accuracy" in section.html for section in without_a_classifier)


def test_a_baseline_that_does_as_well_is_a_limitation_though_it_is_no_shortcut() -> None:
    audits = suspicious_audits()
    audits["shortcuts"]["baselines"][0] |= {"shortcut": False, "model_adds": figure(-0.02)}

    assert "Shortcuts" in dict(find_limitations(SUSPICIOUS, manifest(), parts(audits, SUSPICIOUS), 0.95))


def test_real_data_come_from_one_source_and_data_that_nobody_audited_say_so() -> None:
    found = dict(find_limitations(METRICS, manifest(synthetic=False), [AuditedPart("leakage", "", {}, {})], 0.95))

    assert list(found) == ["Not audited", "One source, unknown patients", "Small test split"]
    assert "from 0.41 to 0.93 (95 % interval)" in found["Small test split"]


def test_known_patients_are_counted_and_unknown_ones_are_a_limitation() -> None:
    known, unknown = (
        dict(find_limitations(METRICS, manifest(synthetic=False, patients=patients), [], 0.95))
        for patients in (34, None)
    )

    assert "The 34 patients are those that the source names, and each is in one split." in known["One source"]
    assert "It is not known which slices are of one patient" in unknown["One source, unknown patients"]


ALSO_IN_TRAINING = "test split, whose patients may also be in training"


def pages_of(metrics: dict[str, Any], audits: list[AuditedPart]) -> tuple[str, str]:
    page = render_report(metrics, manifest(), quarantine(), audits, {}, 0.95, PROMOTION, EXAMPLES)
    return page, render_model_card(metrics, manifest(), ANSWERS, audits, 0.95)


def test_where_patients_are_unknown_a_range_comes_before_the_figures_of_the_test_split() -> None:
    page, card = pages_of(SUSPICIOUS | {"patients": "unknown"}, parts(suspicious_audits(), SUSPICIOUS, "data"))

    screen = page[: page.index("What these figures do not support")]
    shown = re.findall(r'<span class="of">(.*?)</span>.*?<b>(.*?)</b><span class="n">(.*?)</span>', screen)
    assert shown == [
        ("area under the ROC curve (AUC)", "0.83 to 0.89<br>[0.78, 0.94]", "n 20"),
        ("accuracy", "0.75 to 0.81<br>[0.70, 0.86]", "n 20"),
        ("answered rightly (accuracy)", "0.75 [0.41, 0.93]", "n 8"),
    ]
    ends = ("0.751 [0.701, 0.801] at cosine 0.88: 20 images in 342 groups", "at cosine 0.97: 20 images in 470 groups")
    for words in (*ends, "Patients aren&#39;t known.", ALSO_IN_TRAINING):
        assert words in screen
    assert screen.index("0.75 to 0.81") < screen.index("Patients aren") < screen.index(ALSO_IN_TRAINING)
    row = "| accuracy | 0.751 [0.701, 0.801] | cosine 0.88, 20 images in 342 groups | 0.811 [0.761, 0.861] | cosine"
    assert card.index("Patients aren't known.") < card.index(row) < card.index(ALSO_IN_TRAINING)


def test_where_patients_are_known_the_figures_of_the_test_split_come_first() -> None:
    audits = suspicious_audits()
    audits["leakage"]["other_patients"] = None

    for text in pages_of(SUSPICIOUS | {"patients": "known"}, parts(audits, SUSPICIOUS, "data")):
        assert ALSO_IN_TRAINING not in text
        assert "other patients" not in text


def test_without_a_range_report_and_card_say_that_other_patients_were_not_measured() -> None:
    for text in pages_of(METRICS, []):
        assert "how good the answers are for other patients was not measured" in text
        assert ALSO_IN_TRAINING in text


def test_of_more_than_two_classes_it_is_said_what_the_area_under_the_curve_is_a_mean_of() -> None:
    two = manifest()
    for classes, said in ((two, False), (two.model_copy(update={"classes": ("a", "b", "normal")}), True)):
        page = render_report(METRICS, classes, quarantine(), [], {}, 0.95, PROMOTION, EXAMPLES)
        card = render_model_card(METRICS, classes, ANSWERS, [], 0.95)

        assert ("The AUC of images is the mean over the classes" in page) is said
        assert ("how often an image or patient with disease scores higher than one without" in page) is not said
        assert ("are means over the classes, of each against all others" in card) is said


def test_where_the_number_of_patients_is_told_the_estimate_stands_beside_the_range() -> None:
    audits = suspicious_audits()
    audits["leakage"]["other_patients"] = OTHER_PATIENTS | {"estimate": "There are 60 patients."}

    for text in pages_of(SUSPICIOUS, parts(audits, SUSPICIOUS, "data")):
        assert "There are 60 patients." in text


def test_a_range_whose_ends_look_the_same_is_one_number() -> None:
    audits = suspicious_audits()
    flat = {
        "lowest": figure(0.811) | {"similarity": 0.88, "groups": 342},
        "grouped": OTHER_PATIENTS["accuracy"]["grouped"],
    }
    audits["leakage"]["other_patients"] = OTHER_PATIENTS | {"accuracy": flat}

    page, _ = pages_of(SUSPICIOUS | {"patients": "unknown"}, parts(audits, SUSPICIOUS, "data"))

    assert "<b>0.83 to 0.89<br>" in page
    assert "<b>0.81<br>" in page


def test_report_and_card_say_the_same_limitations() -> None:
    limits = Limits(
        distance_limit=1.5, confidence_limit=0.6, validation_images=11, validation_refused=0.0, validation_unsure=0.1
    )
    audits = parts(suspicious_audits(), SUSPICIOUS)
    about = manifest().model_copy(update={"abstention": limits})

    page = render_report(SUSPICIOUS, about, quarantine(), audits, {}, 0.95, PROMOTION, EXAMPLES)
    card = render_model_card(SUSPICIOUS, about, ANSWERS, audits, 0.95)

    for title, text in SAID.items():
        assert f"<strong>{title}.</strong>" in page
        assert f"- **{title}.**" in card
        assert text.replace("'", "&#39;") in page
        assert text in card
    assert page.index("What these figures do not support") < page.index("Figures on the test split")
    for words in (
        "peak in a cell that the lesion touches",
        "chosen on other splits of this project",
        "naive less grouped",
    ):
        assert words.replace("'", "&#39;") in page


def test_intervals_are_called_by_their_confidence() -> None:
    page = render_report(METRICS, manifest(), quarantine(), [], {}, 0.9, PROMOTION, EXAMPLES)
    card = render_model_card(METRICS, manifest(), ANSWERS, [], 0.9)

    for text in (page, card):
        assert "90 % interval" in text
        assert "95 %" not in text


def test_the_card_says_what_was_measured_and_keeps_hostile_names_from_being_markup() -> None:
    classes = {"<b>bold</b>|x\ny": {"images": 1, "distinct": 1}}

    card = render_model_card(METRICS, manifest(classes=classes, location="<img src=x>"), ANSWERS, [], 0.95)

    assert "| answered rightly (accuracy) | 0.750 [0.410, 0.930] | 8 |" in card
    assert "| normal: answered rightly (recall) | unknown | 0 |" in card
    assert "not a medical device" in card.lower()
    assert "| &lt;b>bold&lt;/b>\\|x y | 1 images, 1 distinct |" in card
    assert "<img" not in card


def test_the_model_card_answers_reporting_items_from_the_run_and_lists_the_others() -> None:
    more = pd.DataFrame({"label": ["b"], "predicted": ["a"], "reason": ["not sure"]})

    card = render_model_card(METRICS, manifest(), pd.concat([ANSWERS, more]), [], 0.95)

    assert (
        "| 39 | | wrong cases | 1 of 4 test images, and 1 without an answer, listed in `test_predictions.parquet` |"
        in card
    )
    assert "| 26 | 12c, 21 | selection of the model | the linear one was asked for; one model was trained |" in card
    assert "| 30 | | robustness | not measured: audits were off |" in card
    assert "- Performance on external data, and between sites (CLAIM 33;" in card
    assert "- Fairness between groups of patients (TRIPOD+AI 14)" in card


def test_the_model_card_says_whether_subgroups_were_measured() -> None:
    audits = suspicious_audits()
    known = render_model_card(METRICS, manifest(), ANSWERS, parts(audits, SUSPICIOUS), 0.95)
    nothing = [AuditedPart("metadata", "", {"columns": []}, {})]
    unknown = render_model_card(METRICS, manifest(), ANSWERS, nothing, 0.95)

    assert "| | 14, 23a | subgroups of patients | `report.html`, Subgroups |" in known
    assert "Fairness between groups" not in known
    assert "| subgroups of patients | not measured: neither a table nor DICOM files say sex, age," in unknown


ODD = ["`b`: only 1 of its 3 <images> are distinct; copies count once."]


TABLE = pd.DataFrame(
    [
        ("a", "PNG", "RGB", 300, 200, 0, "train"),
        ("a", "PNG", "RGB", 300, 200, 0, "copy"),
        ("a", "JPEG", "L", 512, 400, 1, "test"),
        ("<b>", "PNG", "RGB", 310, 210, 2, "train"),
    ],
    columns=["label", "format", "mode", "width", "height", "group", "split"],
).assign(source_split=None, scaling=["8 bits", "8 bits", "8 bits", "HU"])


def data_card(audits: list[AuditedPart], *refused: tuple[str, str], **parameters: Any) -> str:
    block = FeatureExtractionParameters.model_validate(parameters)
    return render_data_card(manifest(images=4).data, ODD, TABLE, quarantine(*refused), audits, block)


def test_the_data_card_counts_each_picture_once_in_its_split() -> None:
    card = data_card([], ("x.png", "not an image: text"), ("y.png", "not an image: zeros"), ("z.png", "no pixels"))

    for line in (
        "| class | train | test | copies |",
        "| a | 1 | 1 | 1 |",
        "| &lt;b> | 1 | 0 | 0 |",
        "| formats | PNG, RGB (3), JPEG, L (1) |",
        "| grey levels | 8 bits (3); HU (1) |",
        "What looks odd:\n\n- `b`: only 1 of its 3 &lt;images> are distinct",
        "| width and height | 300 to 512 and 200 to 400 pixels |",
        "- not an image: 2\n- no pixels: 1",
        "| 35 | 20a | numbers included and excluded | 4 images used, 3 files not |",
        "(cosine of embeddings of 0.97 or more)",
        "Reference standard: how, why and by whom labels were given",
        "no patient is in them",
    ):
        assert line in card


def test_the_data_card_says_what_the_network_saw_and_what_audits_found() -> None:
    card = data_card(
        parts(suspicious_audits(), METRICS | {"false_refusal": figure(0.1)}, "data"),
        standardisation={"brightness": "clahe", "crop": "body"},
    )

    assert "brightness by clahe; cut to the body, aspect kept, as 8-bit RGB of 224 x 224" in card
    for title in ("Shortcuts", "Random splits", "Copies"):
        assert f"- **{title}.** " in card
        assert SAID[title] in card
    assert "Evidence maps" not in card
    assert "4 images used, 0 files not" in card
    assert "by reason" not in card


def test_the_data_report_says_what_the_audits_of_the_data_found_and_that_no_classifier_was_trained() -> None:
    audits = parts(suspicious_audits(), METRICS | {"false_refusal": figure(0.1)}, "data")
    table = pd.DataFrame(
        [
            ("a", "PNG", "L", 30, 20, 0, "train"),
            ("a", "PNG", "L", 30, 20, 0, "copy"),
            ("b", "PNG", "L", 40, 20, 1, "test"),
        ],
        columns=["label", "format", "mode", "width", "height", "group", "split"],
    ).assign(scaling="8 bits")

    refused, shown = quarantine(("<i>.png", "not an image")), {"<b>": ["data:image/jpeg;base64,AAAA"]}
    page = render_data_report(manifest().data, ODD, table, refused, audits, shown)

    assert "No classifier was trained for this page" in page
    assert page.index("0.75 to 0.81") < page.index("What to know before using these images")
    assert re.search(r"<th[^>]*>train</th><th[^>]*>test</th><th[^>]*>copy</th><th[^>]*>all</th>", page)
    assert re.search(r"<td>a</td><td[^>]*>1</td><td[^>]*>0</td><td[^>]*>1</td><td[^>]*>2</td>", page)
    for title in ("Shortcuts", "Random splits", "Memory", "Copies"):
        assert f"<strong>{title}.</strong>" in page
    for heading in ("shortcuts", "black_lungs", "metadata", "leakage", "duplicates"):
        assert f'<details class="section" id="{heading}">' in page
        assert f'href="#{heading}"' in page
    assert "&lt;i&gt;.png" in page
    assert "<li><code>b</code>: only 1 of its 3 &lt;images&gt; are distinct" in page
    assert "8 bits (3)" in page
    assert "Training images, each of another group" in page
    assert '<figcaption>&lt;b&gt;</figcaption><div><img src="data:image/jpeg;base64,AAAA"' in page
    assert "Evidence maps" not in page


def test_pages_and_cards_name_the_folder_of_the_images_and_not_where_it_lies() -> None:
    made = manifest(location="/home/ada/doe_john/slices", kind="folder", synthetic=False)
    texts = [
        render_report(METRICS, made, quarantine(), [], {}, 0.95, PROMOTION, EXAMPLES),
        render_model_card(METRICS, made, ANSWERS, [], 0.95),
        render_data_report(made.data, [], TABLE, quarantine(), [], {}),
        render_data_card(made.data, [], TABLE, quarantine(), [], FeatureExtractionParameters()),
    ]

    for text in texts:
        assert "slices" in text
        assert "doe_john" not in text


def test_the_data_report_shows_pictures_of_several_patients_with_paths_and_hashes() -> None:
    facts = suspicious_audits()
    named = [{"path": f"normal/<{i}>.png", "label": "normal", "patient": str(i) * 16} for i in range(2)]
    shown = {"thumbnail": "data:image/jpeg;base64,AAAA", "patients": 2, "files": 3, "named": named}
    facts["duplicates"]["of_several_patients"] = {"pictures": 13, "patients": 20, "shown": [shown]}

    sections = {each.name: each.html for each in fill_sections(parts(facts, METRICS, "data"))}
    section = sections["duplicates"]

    assert "13 pictures are filed under more than one patient, 20 patients in all" in section
    assert "The 1 of most patients are shown." in section
    assert '<img src="data:image/jpeg;base64,AAAA"' in section
    assert "normal/&lt;1&gt;.png<br><code>1111111111111111</code>" in section
    assert "and 1 more" in section


@pytest.mark.parametrize("audit", AUDITS, ids=lambda audit: audit.name)
def test_with_audits_off_none_is_made(audit: Any) -> None:
    off = ModelEvaluationParameters(audits=False)
    nothing = dict.fromkeys(audit.inputs)  # none of the inputs is looked at

    facts, *made = node_of(audit).func(parameters=off, seed=0, **nothing)

    assert facts == {}
    plots, tables = made[: len(audit.plots)], made[len(audit.plots) :]
    assert [bool(plot.data) for plot in plots] == [False] * len(audit.plots)
    assert [(tuple(table.columns), len(table)) for table in tables] == [(each, 0) for each in audit.tables.values()]


def test_data_that_nobody_audited_say_so() -> None:
    found = find_data_limitations(manifest().data, [])

    assert [limitation.title for limitation in found] == ["Synthetic data", "Not audited"]
