"""What cuts across a run."""

import importlib

import pytest
import yaml
from kedro.io import DataCatalog

from chest_cancer.hooks import LineageHook
from conftest import PROJECT

PIPELINES = [path.parent.name for path in PROJECT.glob("src/chest_cancer/pipelines/*/pipeline.py")]
CATALOG = yaml.safe_load((PROJECT / "conf/base/catalog.yml").read_text())
MEMORY = {name for name, entry in CATALOG.items() if entry["type"] == "MemoryDataset"}


@pytest.fixture
def hook() -> LineageHook:
    """The hook in a run that takes nothing from the disk."""
    hook = LineageHook()
    hook._catalog = DataCatalog.from_config(CATALOG)
    return hook


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_it_is_known_where_each_result_lies_so_that_none_escapes_the_check(hook: LineageHook, pipeline: str) -> None:
    made = importlib.import_module(f"chest_cancer.pipelines.{pipeline}").create_pipeline().all_outputs()

    assert [name for name in made - MEMORY if hook._path(name) is None] == []
