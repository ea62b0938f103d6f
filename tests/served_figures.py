"""The first figures of a run, computed once more from what the server answers, by counting alone."""

import base64
import json
import re
from collections.abc import Sequence
from html import unescape
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.test import encode_multipart

from chest_cancer.storage.figures import FIRST_FIGURES
from serving import Server

Counted = dict[str, float | None]
"""Shares by the names of `metrics.json`; None for a share of nothing."""


def check_that_what_is_measured_is_what_is_served(project: Path, server: Server) -> None:
    """Send every test image to the server, and compare what it answers with `metrics.json` and the report.

    Args:
        project: Folder of a project after a run.
        server: What serves it.
    """
    results = project / "data"
    metrics = json.loads((results / "08_reporting" / "metrics.json").read_text())
    manifest = json.loads((results / "06_models" / "classifier" / "manifest.json").read_text())
    table = pd.read_parquet(results / "05_model_input" / "split_table.parquet")
    test = table[table["split"] == "test"]

    answers = ask(server, [results / "01_raw" / "images" / path for path in test["path"]])

    counted = count(test["label"].to_list(), answers, manifest["classes"], manifest["normal_class"])
    measured = {name: metrics[name]["value"] for name in counted}
    assert measured == {name: value if value is None else pytest.approx(value) for name, value in counted.items()}
    assert metrics["accuracy"]["n"] == len(test) > 0
    shown = read_report((results / "08_reporting" / "report.html").read_text())
    assert set(FIRST_FIGURES) - {"roc_auc"} <= set(shown) & set(counted)
    assert {name: shown[name] for name in counted if name in shown} == {
        name: "unknown" if value is None else f"{value:.3f}" for name, value in counted.items() if name in shown
    }
    assert {f"recall_{name}" for name in manifest["classes"]} <= set(shown)


def check_that_patients_are_served_as_measured(project: Path, server: Server) -> None:
    """Send every test patient's images to the server together, and compare what it says with `metrics.json`.

    Args:
        project: Folder of a project after a run whose patients are known.
        server: What serves it.
    """
    metrics = json.loads((project / "data/08_reporting/metrics.json").read_text())
    manifest = json.loads((project / "data/06_models/classifier/manifest.json").read_text())
    table = pd.read_parquet(project / "data/05_model_input/split_table.parquet")
    test = table[table["split"] == "test"].groupby("patient")

    pairs = []
    for _, slices in test:
        files = [(project / "data/01_raw/images" / path).read_bytes() for path in slices["path"]]
        boundary, body = encode_multipart(
            MultiDict([("one_patient", "1"), *(("image", FileStorage(BytesIO(file), "a")) for file in files)])
        )
        kind = f"multipart/form-data; boundary={boundary}"
        status, received = server.send("POST", "/predict", body, **{"Content-Type": kind})
        assert status == 200, received
        assert {answer["patient"]["slices"] for answer in received} == {len(slices)}
        pairs.append(((slices["label"] != manifest["normal_class"]).any(), received[0]["patient"]["reads_positive"]))

    ill, well = [said for positive, said in pairs if positive], [said for positive, said in pairs if not positive]
    counted = {
        "patient_accuracy": (sum(ill) + well.count(False)) / len(pairs),
        "patient_sensitivity": sum(ill) / len(ill) if ill else None,
        "patient_specificity": well.count(False) / len(well) if well else None,
    }
    assert metrics["patient_accuracy"]["n"] == len(pairs) > 0
    assert {name: metrics[name]["value"] for name in counted} == {
        name: value if value is None else pytest.approx(value) for name, value in counted.items()
    }


def ask(server: Server, paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Send images to `POST /predict`, one a request, as the public projects' pages do."""
    answers = []
    for path in paths:
        body = json.dumps({"image": base64.b64encode(path.read_bytes()).decode()}).encode()
        status, received = server.send("POST", "/predict", body)
        assert status == 200, received
        answers += received
    return answers


def count(truth: list[str], answers: list[dict[str, Any]], classes: list[str], normal: str) -> Counted:
    """Count what became of the images; nothing of the project is used for it."""
    pairs = [(label, answer["label"]) for label, answer in zip(truth, answers, strict=True)]
    assert [answer["label"] is None for answer in answers] == [answer["abstained"] for answer in answers]
    given = [pair for pair in pairs if pair[1] is not None]
    diseased = [said for label, said in pairs if label != normal]
    healthy = [said for label, said in pairs if label == normal]

    def share(hits: int, among: int) -> float | None:
        return hits / among if among else None

    def right(some: list[tuple[str, str | None]]) -> int:
        return sum(label == said for label, said in some)

    def ill(some: list[str | None]) -> int:
        return sum(said not in (None, normal) for said in some)

    def answered(some: list[str | None]) -> int:
        return sum(said is not None for said in some)

    reasons = [answer["reason"] for answer in answers]
    counted = {
        "coverage": share(len(given), len(pairs)),
        "abstained": share(len(pairs) - len(given), len(pairs)),
        "not_sure": share(reasons.count("not sure"), len(pairs)),
        "false_refusal": share(reasons.count("not a chest CT slice"), len(pairs)),
        "warned": share(sum(answer["warning"] is not None for answer in answers), len(pairs)),
        "accuracy": share(right(pairs), len(pairs)),
        "wrong": share(len(given) - right(given), len(pairs)),
        "selective_accuracy": share(right(given), len(given)),
        "sensitivity": share(ill(diseased), len(diseased)),
        "specificity": share(healthy.count(normal), len(healthy)),
        "selective_sensitivity": share(ill(diseased), answered(diseased)),
        "selective_specificity": share(healthy.count(normal), answered(healthy)),
        "ppv": share(ill(diseased), ill(diseased) + ill(healthy)),
        "npv": share(healthy.count(normal), healthy.count(normal) + diseased.count(normal)),
    }
    for name in classes:
        said_of = [said for label, said in pairs if label == name]
        said_as = [label for label, said in pairs if said == name]
        counted |= {
            f"coverage_{name}": share(answered(said_of), len(said_of)),
            f"recall_{name}": share(said_of.count(name), len(said_of)),
            f"wrong_{name}": share(answered(said_of) - said_of.count(name), len(said_of)),
            f"precision_{name}": share(said_as.count(name), len(said_as)),
        }
    return counted


def read_report(page: str) -> dict[str, str]:
    """Read the value of each figure in the report's tables, by its name in `metrics.json`."""
    row = re.compile(
        r'<tr><td>[^<]*</td>\s*<td class="number">([^<]*)</td>(?:(?!</tr>).)*<code class="muted">(.*?)</code>'
    )
    return {unescape(name): value for value, name in row.findall(page)}
