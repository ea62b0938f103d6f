"""A new audit and a new metric, added by the steps of docs/change-guide.md, are found wherever results are read."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
import yaml

from conftest import PROJECT, copy_project
from end_to_end.test_kedro_run import succeed

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
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with an audit and a metric more, after a run."""
    project = copy_project(tmp_path_factory.mktemp("project"))
    package = project / "src" / "chest_cancer"
    folder = package / "audits" / "sizes"
    folder.mkdir()
    (folder / "__init__.py").write_text('"""Sizes: how small images are."""\n')
    (folder / "audit.py").write_text(AUDIT.lstrip())
    (folder / "section.html").write_text(SECTION)
    insert_before(package / "audits" / "registry.py", ")\nDATA_AUDITS", ENTRY)
    insert_before(package / "statistics" / "metrics.py", '    Metric("accuracy"', METRIC)
    succeed(project, "run", "--env", "test", PYTHONPATH=str(project / "src"))
    return project


@pytest.fixture(scope="module")
def smallest(project: Path) -> int:
    facts = json.loads((project / "data/08_reporting/data_audit/sizes.json").read_text())
    assert facts["limitations"] == [{"title": "Small images", "text": f"The smallest has {facts['smallest']} pixels."}]
    return facts["smallest"]


def test_the_audit_is_in_both_reports_and_cards(project: Path, smallest: int) -> None:
    folder = project / "data" / "08_reporting"
    for page in ("report.html", "data_report.html"):
        text = (folder / page).read_text()
        assert f"<p>The smallest image has {smallest} pixels.</p>" in text
        assert re.search(r'id="sizes".*?Sizes: how small images are', text, re.DOTALL)
        assert '<a href="#sizes">Sizes</a>' in text
        assert f"<strong>Small images.</strong> The smallest has {smallest} pixels." in text
    for card in ("model_card.md", "data_card.md"):
        assert f"**Small images.** The smallest has {smallest} pixels." in (folder / card).read_text()


def test_the_metric_is_in_metrics_and_report(project: Path) -> None:
    metrics = json.loads((project / "data/08_reporting/metrics.json").read_text())
    page = (project / "data/08_reporting/report.html").read_text()

    assert metrics["error_rate"]["value"] == pytest.approx(1 - metrics["accuracy"]["value"])
    assert "<td>error rate</td>" in page


def test_both_are_in_the_record(project: Path, smallest: int) -> None:
    artifacts = {path.name: path for path in (project / "mlartifacts").rglob("*")}

    assert "error_rate" in set(pd.read_csv(artifacts["figures.csv"])["figure"])
    assert {"sizes.json", "sizes_plot.json"} <= set(artifacts)


def test_dvc_watches_their_code_and_their_results(project: Path, smallest: int) -> None:
    stages = yaml.safe_load((PROJECT / "dvc.yaml").read_text())["stages"]

    def is_watched(path: str, stage: str, kind: str) -> bool:
        return any(Path(path).is_relative_to(item) for item in stages[stage][kind] if isinstance(item, str))

    assert is_watched("src/chest_cancer/audits/sizes/audit.py", "data_audit", "deps")
    assert is_watched("src/chest_cancer/statistics/metrics.py", "model_evaluation", "deps")
    for name in ("sizes.json", "sizes_plot.json"):
        assert (project / "data/08_reporting/data_audit" / name).is_file()
        assert is_watched(f"data/08_reporting/data_audit/{name}", "data_audit", "outs")
        assert is_watched(f"data/08_reporting/data_audit/{name}", "reporting", "deps")
