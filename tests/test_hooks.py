"""What cuts across a run."""

import importlib
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline
from kedro.runner import SequentialRunner
from kedro_datasets.json import JSONDataset

from chest_cancer.hooks.lineage import LineageHook, path_of
from chest_cancer.hooks.parameters import ParametersHook
from chest_cancer.hooks.progress import ProgressHook
from chest_cancer.hooks.project import ProjectHook
from chest_cancer.hooks.summary import SummaryHook
from chest_cancer.jobs import progress
from chest_cancer.record.ending import stopping_by_signals
from chest_cancer.record.shares import shared_work
from chest_cancer.storage.lineage import Ledger, Lineage, MixedResultsError
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


def test_settings_that_an_environment_leaves_out_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    base = yaml.safe_load((PROJECT / "conf/base/parameters.yml").read_text())
    caplog.set_level("WARNING", "chest_cancer")
    (tmp_path / "conf/local").mkdir(parents=True)
    own = tmp_path / "conf/local/parameters.yml"

    def begin(env: str | None) -> None:
        context: Any = SimpleNamespace(project_path=tmp_path, env=env, config_loader={"parameters": base})
        ParametersHook().after_context_created(context)

    begin("test")
    own.write_text("seed: 1\n")
    begin(None)
    begin("local")
    assert caplog.messages == []

    begin("test")
    assert caplog.messages == [
        "`--env test` takes the place of conf/local: conf/local/parameters.yml is not read. "
        "Pass the values that you need by `--params`."
    ]


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_it_is_known_where_each_result_lies_so_that_none_escapes_the_check(hook: LineageHook, pipeline: str) -> None:
    made = importlib.import_module(f"chest_cancer.pipelines.{pipeline}").create_pipeline().all_outputs()

    assert [name for name in made - MEMORY if path_of(hook._catalog, name) is None] == []


def test_a_result_in_an_object_store_has_no_place_on_the_disk(hook: LineageHook) -> None:
    there = {"type": "text.TextDataset", "filepath": "s3://bucket/predictions.html", "credentials": "object_store"}
    parts = {"type": CATALOG["predictions"]["type"], "filepath": "s3://bucket/predictions"}
    hook._catalog = DataCatalog.from_config({"page": there, "parts": parts}, credentials={"object_store": {}})

    assert path_of(hook._catalog, "page") is path_of(hook._catalog, "parts") is None


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
        (
            ["batch_inference"],
            "3/16",
            "`batch_inference.source` 'a.zip', `.patient` 'auto', `.limits.max_pixels` 64000000, "
            "`.limits.min_side` 32, in environment local",
        ),
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


def test_shares_of_one_source_are_of_one_batch_however_it_is_written_and_of_another_with_other_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slices").mkdir()
    (tmp_path / "link").symlink_to("slices")
    monkeypatch.chdir(tmp_path)

    def work(source: str, **block: object) -> str | None:
        catalog = DataCatalog({"params:batch_inference": MemoryDataset({"part": "1/2", "source": source} | block)})
        return shared_work({"pipeline_names": ["batch_inference"], "env": None}, catalog)

    written = ("slices", "slices/", "./slices", "link", str(tmp_path / "slices"))
    assert len({work(source) for source in written}) == 1
    assert len({work(source) for source in ("s3://bucket/slices", "s3://bucket/slices/")}) == 1
    assert work("slices") != work("slices", limits={"min_side": 16})


def test_what_was_not_made_yet_is_said_before_any_work_with_the_commands_that_make_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    catalog = DataCatalog.from_config(CATALOG, credentials={"archive": {}, "object_store": {}})
    given = {"data_ingestion": {"source": "a.zip"}}
    run_params = {"project_path": str(tmp_path), "env": "test", "runtime_params": given}
    options = "--env test --params data_ingestion.source=a.zip"
    for pipeline, message in (
        ("model_training", rf"`features`.*`split_table`.*Make first: `kedro run --pipelines \S+ {options}`, or"),
        ("batch_inference", rf"^Not made yet: `classifier`. Make first: `kedro run {options}`.$"),
    ):
        nodes = importlib.import_module(f"chest_cancer.pipelines.{pipeline}").create_pipeline()
        with pytest.raises(FileNotFoundError, match=message):
            LineageHook().before_pipeline_run(run_params, nodes, catalog)


def test_what_was_made_from_something_else_is_said_with_the_options_of_the_run(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "data" / "lineage")
    catalog = DataCatalog({name: JSONDataset(filepath=str(tmp_path / f"{name}.json")) for name in ("index", "table")})
    for name, lineage in (("index", Lineage(None, {}, "first")), ("table", Lineage(None, {"index": "old"}, "second"))):
        catalog.save(name, [name])
        ledger.write(name, replace(lineage, digest=ledger.digest(tmp_path / f"{name}.json")))
    nodes = Pipeline([Node(lambda *_: 1, ["index", "table"], "made", name="a")])
    given = {"data_ingestion": {"source": "a.zip"}}
    options = "--env test --params data_ingestion.source=a.zip"

    with pytest.raises(
        MixedResultsError,
        match=f"again: `kedro run --pipelines second {options}`, or run everything: `kedro run {options}`",
    ):
        LineageHook().before_pipeline_run(
            {"project_path": str(tmp_path), "env": "test", "runtime_params": given}, nodes, catalog
        )


def test_what_is_made_when_it_is_needed_is_not_asked_for_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    served = yaml.safe_load((PROJECT / "conf/registry/catalog.yml").read_text())
    catalog = DataCatalog.from_config(CATALOG | served, credentials={"archive": {}, "object_store": {}})
    for pipeline in ("data_ingestion", "model_preparation", "batch_inference", "external_validation"):
        nodes = importlib.import_module(f"chest_cancer.pipelines.{pipeline}").create_pipeline()
        inputs = [name for name in nodes.inputs() if not name.startswith(("params:", "external_"))]
        LineageHook().before_pipeline_run(
            {"project_path": str(tmp_path)}, Pipeline([Node(lambda *_: 1, inputs, "made", name="a")]), catalog
        )


def test_what_to_do_next_has_the_options_of_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    catalog = DataCatalog.from_config(CATALOG, credentials={"archive": {}, "object_store": {}})
    nodes = Pipeline([Node(lambda: 1, None, "split_table", name="a")])
    given = {"data_ingestion": {"source": "my scans.zip"}}
    run_params = {"project_path": str(tmp_path), "env": "test", "runtime_params": given}
    hook = SummaryHook()
    hook.before_pipeline_run(run_params, nodes, catalog)

    hook.after_pipeline_run(run_params, nodes, catalog)

    following = "kedro run --pipelines data_audit --env test --params 'data_ingestion.source=my scans.zip'  # looks at"
    assert following in capsys.readouterr().out


def test_a_step_has_ended_with_the_last_of_its_results_for_some_are_made_while_they_are_saved(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "chest_cancer")
    events: list[str] = []
    monkeypatch.setattr(progress, "report", lambda event, **_: events.append(event))

    class Made(MemoryDataset):
        def _save(self, data: object) -> None:
            events.append("made")

    nodes = Pipeline([Node(lambda: (1, 2), None, ["one", "other"], name="make_both_node")], namespace="a_pipeline")
    manager, hook = _create_hook_manager(), ProgressHook()
    manager.register(hook)
    hook.before_pipeline_run({}, nodes, DataCatalog())

    SequentialRunner().run(nodes, DataCatalog({"a_pipeline.one": Made(), "a_pipeline.other": Made()}), manager)

    assert events == ["run_started", "node_started", "made", "made", "node_finished"]
    assert "Step 1 of 1: a_pipeline, make both" in caplog.messages
