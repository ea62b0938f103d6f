"""Every room of the package says in one sentence what it is for."""

import ast
from pathlib import Path

import pytest

from conftest import PROJECT

PACKAGE = PROJECT / "src" / "chest_cancer"
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
