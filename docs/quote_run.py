"""Puts the figures of the last run, with its date, into docs/first-hour.md: call it after `kedro run`."""

import json
import re
from pathlib import Path

from chest_cancer.imaging.decoding import decode_image
from chest_cancer.network.classifier import Classifier
from chest_cancer.network.manifest import Manifest
from chest_cancer.storage.figures import title_of

PROJECT = Path(__file__).parents[1]
FIGURES = ("coverage", "accuracy", "sensitivity", "specificity", "roc_auc", "patient_sensitivity", "patient_roc_auc")
MARKS = re.compile(r"(<!-- run -->\n).*?(<!-- end run -->)", re.DOTALL)


def quoted(project: Path) -> str:
    """Write the figures of a run, and what its model says of the page's samples."""
    metrics = json.loads((project / "data/08_reporting/metrics.json").read_text())
    classifier = Classifier.load(project / "data/06_models/candidate")
    lines = ["| figure | value | interval | n |", "| --- | --- | --- | --- |"]
    for name in FIGURES:
        figure = metrics[name]
        numbers = f"{figure['value']:.3f} | {figure['low']:.3f} to {figure['high']:.3f} | {figure['n']}"
        lines.append(f"| `{name}`: {title_of(name)} | {numbers} |")
    lines += ["", "| slice on the page | answer | probability of disease |", "| --- | --- | --- |"]
    for path in sorted((project / "app/static/samples").glob("*.png")):
        (answer,) = classifier.predict([decode_image(path.read_bytes()).pixels])
        disease = 1 - answer.probabilities[classifier.manifest.normal_class or ""]
        lines.append(f"| `{path.name}` | {answer.label or answer.reason} | {disease:.2f} |")
    return "\n".join([*lines, "", origin(classifier.manifest)]) + "\n"


def origin(manifest: Manifest) -> str:
    """Say of which run the figures are."""
    day, images = manifest.provenance.created[:10], f"{manifest.data.distinct_by_content} {manifest.data.kind} images"
    return f"Of a run of {day}: {images} in {manifest.precision}."


if __name__ == "__main__":
    page = PROJECT / "docs/first-hour.md"
    page.write_text(MARKS.sub(lambda marks: marks[1] + quoted(PROJECT) + marks[2], page.read_text()))
