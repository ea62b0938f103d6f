"""The house: what each room is for, and that nothing in it grows beyond what can be read at once."""

import ast
import importlib
from pathlib import Path

import pytest

from chest_cancer.audits.registry import AUDITS
from conftest import PROJECT

PACKAGE = PROJECT / "src" / "chest_cancer"
HALLWAY = {
    "__init__", "__main__", "cli", "environment", "pipeline_registry", "settings"
}  # fmt: skip
MODULES = sorted(path.relative_to(PROJECT) for folder in ("src", "app") for path in PROJECT.glob(f"{folder}/**/*.py"))
MOST_LINES, MOST_LINES_OF_A_FUNCTION, MOST_INPUTS = 300, 60, 7
ROOMS = sorted(path.parent.relative_to(PACKAGE) for path in PACKAGE.glob("*/**/__init__.py"))


@pytest.mark.parametrize("room", ROOMS, ids=str)
def test_a_room_says_what_it_is_for_in_one_sentence_and_nothing_else(room: Path) -> None:
    sentence, *others = ast.parse((PACKAGE / room / "__init__.py").read_text()).body

    assert isinstance(sentence, ast.Expr)
    assert isinstance(sentence.value, ast.Constant)
    text = sentence.value.value
    assert text.endswith(".")
    assert ". " not in text
    # Kedro finds a pipeline by this name.
    name = f"chest_cancer.pipelines.{room.name}.pipeline"
    kedro = [f"from {name} import create_pipeline", "__all__ = ['create_pipeline']"]
    assert [ast.unparse(other) for other in others] in ([], kedro if room.parent.name == "pipelines" else [])


def test_nothing_but_the_hallway_lies_at_the_root() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} == HALLWAY


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_and_its_functions_can_be_read_at_once(module: Path) -> None:
    text = (PROJECT / module).read_text()
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]

    assert len(text.splitlines()) <= MOST_LINES
    lengths = {function.name: (function.end_lineno or 0) - function.lineno + 1 for function in functions}
    # The wires of a pipeline are a list.
    assert {name: length for name, length in lengths.items() if name != "create_pipeline"} == {
        name: length
        for name, length in lengths.items()
        if name != "create_pipeline" and length <= MOST_LINES_OF_A_FUNCTION
    }


def test_a_node_has_at_most_seven_inputs_besides_what_registries_bring() -> None:
    names = [path.parent.name for path in PACKAGE.glob("pipelines/*/pipeline.py")]
    pipelines = [importlib.import_module(f"chest_cancer.pipelines.{name}").create_pipeline() for name in names]
    brought = {name for audit in AUDITS for name in audit.datasets}
    many = {
        node.name: sorted(set(node.inputs) - brought)
        for pipeline in pipelines
        for node in pipeline.nodes
        if len(set(node.inputs) - brought) > MOST_INPUTS
    }

    assert set(many) <= {"reporting.write_report_node"}
