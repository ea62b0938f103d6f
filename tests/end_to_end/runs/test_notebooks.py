"""The notebooks, as somebody runs them after a run."""

import json
from pathlib import Path

import pytest

from conftest import PROJECT
from kedro_process import Forks


@pytest.mark.parametrize("name", [path.name for path in sorted(PROJECT.glob("notebooks/*.ipynb"))])
def test_the_notebooks_run_on_the_results_and_hold_none(project: Path, forks: Forks, tmp_path: Path, name: str) -> None:
    cells = json.loads((PROJECT / "notebooks" / name).read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    (project / "notebooks").mkdir(exist_ok=True)
    (tmp_path / "cells.json").write_text(json.dumps(["".join(cell["source"]) for cell in code]))

    ended = forks.call(
        "notebook_cells",
        project / "notebooks",
        [str(tmp_path / "cells.json")],
        KEDRO_ENV="test",
        PLOTLY_RENDERER="json",
        PYTHONPATH=str(PROJECT / "tests"),
    )

    assert ended.returncode == 0, ended.said
