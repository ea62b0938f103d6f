"""A new audit and a new metric, added by the steps of docs/change-guide.md, are found wherever results are read."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
import yaml

from conftest import PROJECT
from kedro_process import Forks

AUDIT = '''
"""The audit of sizes: how many pixels the smallest image has."""

import pandas as pd
import plotly.graph_objects as go

from chest_cancer.audits.audit import Finding
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.reporting.limitation import Limitation, listed


def audit_sizes(split_table: pd.DataFrame, parameters: ModelEvaluationParameters, seed: int) -> Finding:
    """Find the smallest image."""
    pixels = split_table["width"] * split_table["height"]
    found = [Limitation("Small images", f"The smallest has {pixels.min()} pixels.")]
    return Finding({"smallest": int(pixels.min())} | listed(found), {"sizes": go.Figure(go.Histogram(x=pixels))})
'''
ENTRY = '    Audit("sizes", "Sizes: how small images are", "data", ("split_table",), plots=("sizes",)),\n'
SECTION = "<p>The smallest image has {{ facts.smallest }} pixels.</p>\n{{ plots.sizes|safe }}\n"
METRIC = '    Metric("error_rate", _APART, lambda h: h.share(~h.right)),\n'


def insert_before(path: Path, line: str, new: str) -> None:
    text = path.read_text()
    assert line in text
    path.write_text(text.replace(line, new + line, 1))


@pytest.fixture(scope="module")
def changed(project: Path, forks: Forks) -> Path:
    """The trained project with an audit and a metric more, after a run from the steps that these are in."""
    package = project / "src" / "chest_cancer"
    folder = package / "audits" / "sizes"
    folder.mkdir()
    (folder / "__init__.py").write_text('"""Sizes: how small images are."""\n')
    (folder / "audit.py").write_text(AUDIT.lstrip())
    (folder / "section.html").write_text(SECTION)
    insert_before(package / "audits" / "registry.py", ")\nDATA_AUDITS", ENTRY)
    insert_before(package / "statistics" / "metrics.py", '    Metric("accuracy"', METRIC)
    steps = "data_audit.audit_sizes_node,model_evaluation.measure_performance_node"
    forks.succeed(project, "run", "--env", "test", "--from-nodes", steps, PYTHONPATH=str(project / "src"))
    return project


@pytest.fixture(scope="module")
def smallest(changed: Path) -> int:
    facts = json.loads((changed / "data/08_reporting/data_audit/sizes.json").read_text())
    assert facts["limitations"] == [{"title": "Small images", "text": f"The smallest has {facts['smallest']} pixels."}]
    return facts["smallest"]


def test_the_audit_is_in_both_reports_and_cards(changed: Path, smallest: int) -> None:
    folder = changed / "data" / "08_reporting"
    for page in ("report.html", "data_report.html"):
        text = (folder / page).read_text()
        assert f"<p>The smallest image has {smallest} pixels.</p>" in text
        assert re.search(r'id="sizes".*?Sizes: how small images are', text, re.DOTALL)
        assert '<a href="#sizes">Sizes</a>' in text
        assert f"<strong>Small images.</strong> The smallest has {smallest} pixels." in text
    for card in ("model_card.md", "data_card.md"):
        assert f"**Small images.** The smallest has {smallest} pixels." in (folder / card).read_text()


def test_the_metric_is_in_metrics_and_report(changed: Path) -> None:
    metrics = json.loads((changed / "data/08_reporting/metrics.json").read_text())
    page = (changed / "data/08_reporting/report.html").read_text()

    assert metrics["error_rate"]["value"] == pytest.approx(1 - metrics["accuracy"]["value"])
    assert "<td>error rate</td>" in page


def test_both_are_in_the_record(changed: Path, smallest: int) -> None:
    runs = [{path.name: path for path in run.rglob("*")} for run in (changed / "mlartifacts").iterdir()]
    (artifacts,) = [files for files in runs if "sizes.json" in files]

    assert "error_rate" in set(pd.read_csv(artifacts["figures.csv"])["figure"])
    assert "sizes_plot.json" in artifacts


def test_dvc_watches_their_code_and_their_results(changed: Path, smallest: int) -> None:
    stages = yaml.safe_load((PROJECT / "dvc.yaml").read_text())["stages"]

    def is_watched(path: str, stage: str, kind: str) -> bool:
        return any(Path(path).is_relative_to(item) for item in stages[stage][kind] if isinstance(item, str))

    assert is_watched("src/chest_cancer/audits/sizes/audit.py", "data_audit", "deps")
    assert is_watched("src/chest_cancer/statistics/metrics.py", "model_evaluation", "deps")
    for name in ("sizes.json", "sizes_plot.json"):
        assert (changed / "data/08_reporting/data_audit" / name).is_file()
        assert is_watched(f"data/08_reporting/data_audit/{name}", "data_audit", "outs")
        assert is_watched(f"data/08_reporting/data_audit/{name}", "reporting", "deps")
