"""What cuts across a run."""

import importlib
import signal
from collections.abc import Iterator
from contextlib import suppress

import pytest
import yaml
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline
from kedro.runner import SequentialRunner

from chest_cancer.hooks import LineageHook, ProjectHook
from chest_cancer.record.ending import stopping_by_signals
from chest_cancer.record.shares import shared_work
from conftest import PROJECT

PIPELINES = [path.parent.name for path in PROJECT.glob("src/chest_cancer/pipelines/*/pipeline.py")]
CATALOG = yaml.safe_load((PROJECT / "conf/base/catalog.yml").read_text())
MEMORY = {name for name, entry in CATALOG.items() if entry["type"] == "MemoryDataset"}


@pytest.fixture
def hook() -> LineageHook:
    """The hook in a run that takes nothing from the disk."""
    hook = LineageHook()
    hook._catalog = DataCatalog.from_config(CATALOG, credentials={"archive": {}, "object_store": {}})
    return hook


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_it_is_known_where_each_result_lies_so_that_none_escapes_the_check(hook: LineageHook, pipeline: str) -> None:
    made = importlib.import_module(f"chest_cancer.pipelines.{pipeline}").create_pipeline().all_outputs()

    assert [name for name in made - MEMORY if hook._path(name) is None] == []


def test_a_result_in_an_object_store_has_no_place_on_the_disk(hook: LineageHook) -> None:
    there = {"type": "text.TextDataset", "filepath": "s3://bucket/predictions.html", "credentials": "object_store"}
    parts = {"type": CATALOG["predictions"]["type"], "filepath": "s3://bucket/predictions"}
    hook._catalog = DataCatalog.from_config({"page": there, "parts": parts}, credentials={"object_store": {}})

    assert hook._path("page") is hook._path("parts") is None


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def number(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """A signal whose handler is the one that Python begins with, whatever started the tests."""
    former = signal.signal(
        request.param, signal.default_int_handler if request.param == signal.SIGINT else signal.SIG_DFL
    )
    yield request.param
    signal.signal(request.param, former)


def test_a_run_stops_at_the_next_step_where_a_node_swallows_what_the_signal_raised(number: signal.Signals) -> None:
    def swallow() -> str:
        with suppress(BaseException):  # as what is called from C does
            signal.raise_signal(number)
        return "a result"

    manager = _create_hook_manager()
    manager.register(ProjectHook())
    catalog = DataCatalog({"kept": MemoryDataset()})

    with pytest.raises((KeyboardInterrupt, SystemExit)) as stopped, stopping_by_signals():
        SequentialRunner().run(Pipeline([Node(swallow, None, "kept")]), catalog, manager)

    assert getattr(stopped.value, "code", None) == {signal.SIGTERM: 143, signal.SIGHUP: 129}.get(number)
    assert not catalog["kept"].exists()


@pytest.mark.parametrize(
    ("pipelines", "part", "work"),
    [
        (["batch_inference"], "3/16", "`batch_inference.source` 'a.zip', `.patient` 'auto', in environment local"),
        (["batch_inference"], None, None),
        (["batch_inference", "reporting"], "3/16", None),
        (None, "3/16", None),
    ],
)
def test_only_a_share_of_a_batch_may_run_beside_another(
    pipelines: list[str] | None, part: str | None, work: str | None
) -> None:
    catalog = DataCatalog({"params:batch_inference": MemoryDataset({"part": part, "source": "a.zip"})})

    assert shared_work({"pipeline_names": pipelines, "env": None}, catalog) == work
