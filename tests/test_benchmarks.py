"""Benchmarks are run by hand, so what they name must be checked here."""

import re

import pytest
from kedro.framework.project import configure_project

from benchmarks.project import ROOT
from chest_cancer.pipeline_registry import register_pipelines

NODES = [
    (path.name, name)
    for path in sorted((ROOT / "benchmarks").glob("*.py"))
    for name in re.findall(r"[\"']([\w.]+_node)[\"']", path.read_text())
]


@pytest.fixture(scope="module")
def nodes() -> set[str]:
    configure_project("chest_cancer")
    return {node.name for node in register_pipelines()["__default__"].nodes}


@pytest.mark.parametrize(("file", "name"), NODES)
def test_a_node_whose_seconds_are_told_is_one_of_a_run(nodes: set[str], file: str, name: str) -> None:
    assert name in nodes, f"benchmarks/{file} reads the seconds of {name}, which a run does not have."
