"""The registry of audits: its names hold, and an audit that is off costs nothing, not even its imports."""

import inspect
import subprocess
import sys
from typing import Any

import pytest

from chest_cancer.audits.registry import AUDITS

OF_A_MODEL = {"classifier", "metrics", "test_evidence", "test_predictions", "validation_predictions"}
OFF = """
from chest_cancer.audits.audit import node_of
from chest_cancer.audits.registry import AUDITS
from chest_cancer.parameters.blocks import ModelEvaluationParameters
from chest_cancer.pipelines import data_audit, model_audit

off = ModelEvaluationParameters(audits=False)
nodes = {node.name for pipeline in (data_audit, model_audit) for node in pipeline.create_pipeline().nodes}
for audit in AUDITS:
    assert f"{audit.subject}_audit.audit_{audit.name}_node" in nodes
    assert node_of(audit).func(parameters=off, seed=0, **dict.fromkeys(audit.inputs))[0] == {}
assert data_audit.nodes.take_sample(None, None, off, 0) == {}
assert data_audit.nodes.look_at_sample(None, None, None, off) == {}
"""
CODE_OF_AUDITS = {f"chest_cancer.audits.{audit.name}.audit" for audit in AUDITS}
SHARED = {"chest_cancer.audits.sample"}
LIBRARIES_OF_AUDITS = {"cleanlab", "skimage", "sklearn"}


@pytest.mark.parametrize("audit", AUDITS, ids=lambda audit: audit.name)
def test_an_audit_has_a_function_that_takes_what_is_declared(audit: Any) -> None:
    taken = set(inspect.signature(audit.function).parameters)

    assert taken == {name.removeprefix("params:") for name in audit.inputs} | {"parameters", "seed"}
    assert audit.function.__doc__


@pytest.mark.parametrize("audit", AUDITS, ids=lambda audit: audit.name)
def test_an_audit_of_the_data_needs_no_model(audit: Any) -> None:
    assert (audit.subject == "model") == bool(OF_A_MODEL & set(audit.inputs))


def imported_by(*steps: str) -> list[set[str]]:
    """What a new process has imported after each of several pieces of code."""
    command = [sys.executable, "-c", "\n".join(f"{step}\nimport sys\nprint(*sys.modules)" for step in steps)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [set(line.split()) for line in lines]


def test_of_audits_the_one_that_runs_is_imported_and_none_that_is_off_or_elsewhere() -> None:
    *without, used = imported_by(
        "import app; app.create_app",
        "import chest_cancer.pipelines.data_ingestion.pipeline",
        OFF,
        "next(audit for audit in AUDITS if audit.name == 'suspects').function",
    )

    assert [names & (CODE_OF_AUDITS | SHARED | LIBRARIES_OF_AUDITS) for names in without] == [set()] * 3
    assert used & CODE_OF_AUDITS == {"chest_cancer.audits.suspects.audit"}
