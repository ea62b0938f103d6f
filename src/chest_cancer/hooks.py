"""What cuts across a run: holding the project, what belongs together, parameters, progress, the summary."""

import json
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Collection, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from pydantic import ValidationError
from rich.console import Console

from chest_cancer.jobs import progress
from chest_cancer.jobs.long_work import time_in_words
from chest_cancer.jobs.model_files import METRICS_FILE
from chest_cancer.parameters.blocks import Parameters
from chest_cancer.record.ending import at_end, stop_if_told
from chest_cancer.record.flat_parameters import flat_parameters
from chest_cancer.record.provenance import dvc_process
from chest_cancer.record.shares import shared_work
from chest_cancer.reporting.endings import endings_of, print_ending
from chest_cancer.reporting.last_words import Results
from chest_cancer.sources.image_folder import RECORD, ImageFolder
from chest_cancer.storage.figures import figures_in
from chest_cancer.storage.lineage import Ledger, Lineage, require_together
from chest_cancer.storage.project_lock import hold_project

if TYPE_CHECKING:
    from chest_cancer.reporting.templates import AuditedPart

logger = logging.getLogger(__name__)

# What makes no result its own: caches, and images that are only asked about.
# What other runs made: found by its own digests, and used beside whatever is here.
_NOT_TRACED = {"champion", "classifier", "feature_store", "inference_images", "patient_key"}
# What several runs make together: each part says itself what it was made from.
_NOT_TRACED |= {"predictions", "patient_predictions", "study_predictions", "batch_summary"}


class ProjectHook:
    """Lets one run at a time work in a project: two would mix their results."""

    @hook_impl(tryfirst=True)
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Hold the project until the run ends.

        Raises:
            ProjectHeldError: Another run holds it: which, and since when.
        """
        at_end.close()  # a run before it in this process, where Kedro's own session did not end it
        names = run_params.get("pipeline_names")
        parts = ["kedro run", f"--env {run_params['env']}", f"--pipelines {','.join(names)}" if names else ""]
        command = " ".join(filter(None, parts))
        work = shared_work(run_params, catalog)
        at_end.enter_context(hold_project(Path(run_params["project_path"]), command, work=work))

    @hook_impl(tryfirst=True)
    def before_node_run(self) -> None:
        """Begin nothing more in a run that was told to stop."""
        stop_if_told()

    @hook_impl(tryfirst=True)
    def after_node_run(self) -> None:
        """Keep no result of a run that was told to stop."""
        stop_if_told()

    @hook_impl(trylast=True)
    def after_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Let others have the project."""
        at_end.close()

    @hook_impl(trylast=True)
    def on_pipeline_error(
        self, error: Exception, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Let others have the project."""
        at_end.close()


class LineageHook:
    """Sees to it that results which are used together were made from the same."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Check before any work what the run takes from the disk.

        Raises:
            FileNotFoundError: Some of it is not there: names what, and the command that makes it.
            MixedResultsError: Some of it was made from something else: names what, and the cure.
        """
        missing = [name for name in sorted(pipeline.inputs()) if path_of(catalog, name) and not catalog.exists(name)]
        if missing:
            raise FileNotFoundError(_say_missing(missing))
        self._catalog = catalog
        self._ledger = Ledger(Path(run_params["project_path"]) / "data" / "lineage")
        self._known = self._ledger.read()
        self._unstored: dict[str, Lineage] = {}
        self._parts: dict[str, dict[str, Lineage]] = defaultdict(dict)
        parts = {name: part for name in sorted(pipeline.inputs()) if (part := self._part(name))}
        require_together(parts, self._known)

    @hook_impl
    def before_dataset_loaded(self, dataset_name: str, node: Node) -> None:
        """Check that what a node takes belongs together.

        Raises:
            MixedResultsError: It was made from something else than the node's other inputs.
        """
        if part := self._part(dataset_name):
            parts = self._parts[node.name]
            parts[dataset_name] = part
            require_together(parts, self._known)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any, node: Node) -> None:
        """Note what a result was made from."""
        path = path_of(self._catalog, dataset_name)
        if dataset_name in _NOT_TRACED or (path is not None and (path / RECORD).is_file()):
            return
        made_from = require_together(self._parts[node.name], self._known)
        digest = self._ledger.digest(path) if path else None
        lineage = Lineage(digest, made_from, pipeline=node.namespace or node.name)
        if digest is None:
            self._unstored[dataset_name] = lineage
            return
        with self._lock:  # Kedro may run nodes in threads
            self._ledger.write(dataset_name, lineage)
            self._known[dataset_name] = lineage

    def _part(self, name: str) -> Lineage | None:
        """What is known of an input; None for a parameter, and for what is not there, which Kedro will say."""
        if name in _NOT_TRACED or name.startswith("params:"):
            return None
        path = path_of(self._catalog, name)
        if path is None or not path.exists():
            return self._unstored.get(name)
        if (path / RECORD).is_file():
            return Lineage(ImageFolder.open(path).source.fingerprint)
        digest, known = self._ledger.digest(path), self._known.get(name)
        return known if known and known.digest == digest else Lineage(digest, pipeline=None)


def _say_missing(names: Collection[str]) -> str:
    """Say what is not there, and which pipelines make it."""
    pipelines = [path.parent.name for path in sorted(Path(__file__).parent.glob("pipelines/*/pipeline.py"))]
    made = {name: import_module(f"chest_cancer.pipelines.{name}").create_pipeline().all_outputs() for name in pipelines}
    makers = [pipeline for pipeline, outputs in made.items() if outputs & {*names}]
    these = f"`kedro run --pipelines {','.join(makers)}`, or everything: " if makers else ""
    return f"Not made yet: {', '.join(f'`{name}`' for name in names)}. Make first: {these}`kedro run`."


class ParametersHook:
    """Checks every parameter before any work, and chooses the device."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Stop at an unknown name, or a value of another type or outside its range.

        Raises:
            ValueError: Names each parameter, what was expected and what was received.
        """
        try:
            self._parameters = Parameters.model_validate(context.config_loader["parameters"])
        except ValidationError as error:
            lines = [
                f"- `{'.'.join(map(str, problem['loc']))}`: {problem['msg']}. Received: {problem['input']!r}"
                for problem in error.errors()
            ]
            raise ValueError(
                "\n".join(["Invalid parameters (conf/base/parameters.yml lists all of them):", *lines])
            ) from None
        progress.report("parameters", values=flat_parameters(dict(self._parameters)))
        own = Path("conf", "local", "parameters.yml")
        if context.env not in (None, "local") and (context.project_path / own).is_file():
            logger.warning(
                "`--env %s` takes the place of conf/local: %s is not read. Pass what is needed of it by `--params`.",
                context.env,
                own,
            )

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Keep the run from GPUs, or see that there is one, as `runtime.device` says.

        Raises:
            ValueError: It is `cuda`, and what is to compute finds none.
        """
        # On use: slow imports, which other commands need not pay.
        from chest_cancer.network.devices import use_device

        device, tuned = self._parameters.runtime.device, self._parameters.model_preparation.fine_tune_from is not None
        use_device(device)
        if device == "cuda" and tuned and "trained_top" in pipeline.all_outputs():
            from chest_cancer.network.keras_head import require_gpu

            require_gpu()


class SummaryHook:
    """Says what a run has made, what to believe, and what to do next."""

    @hook_impl(tryfirst=True)
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Note the time."""
        self._begun = time.monotonic()

    @hook_impl
    def after_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Print how the run ends; see `reporting/endings.py`."""
        project, made = Path(run_params["project_path"]), pipeline.all_outputs()
        results = Results(made, catalog.load, partial(_audited, catalog), partial(_own_figures, catalog))
        for ending in endings_of(made):
            paths = {name: project / path for name in ending.files if (path := path_of(catalog, name)) is not None}
            print_ending(ending, results, paths, project, with_steps=dvc_process() is None)
        Console().print(f"\n[bold]Done[/] in {time_in_words(time.monotonic() - self._begun)}.")


def _audited(catalog: CatalogProtocol[Any, Any], subject: str) -> "list[AuditedPart]":
    """What the audits of `data`, or of data and `model`, found."""
    from chest_cancer.audits.audit import parts_of
    from chest_cancer.audits.registry import AUDITS, DATA_AUDITS

    audits = DATA_AUDITS if subject == "data" else AUDITS
    return parts_of(audits, {audit.facts_dataset: catalog.load(audit.facts_dataset) for audit in audits})


def _own_figures(catalog: CatalogProtocol[Any, Any]) -> Mapping[str, Any]:
    """Test figures of the model that is served."""
    measured = catalog["classifier"].folder / METRICS_FILE
    return figures_in(json.loads(measured.read_text())) if measured.is_file() else {}


def path_of(catalog: CatalogProtocol[Any, Any], name: str) -> Path | None:
    """Where a dataset lies; None for what is only in memory, or in an object store."""
    dataset = catalog.get(name)
    told = dataset._describe() if dataset else {}  # its filepath is the one thing that all of them tell
    filepath = told.get("filepath") if told.get("protocol", "file") == "file" else None
    return None if filepath is None else Path(filepath)


class ProgressHook:
    """Says which step runs: to people, and to other processes."""

    def __init__(self) -> None:
        self._started: dict[str, float] = {}
        self._unsaved: dict[str, set[str]] = {}
        self._steps = 0

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Say which nodes will run, in order."""
        self._steps = len(pipeline.nodes)
        self._started.clear()
        progress.report("run_started", nodes=[node.name for node in pipeline.nodes])

    @hook_impl(tryfirst=True)
    def before_node_run(self, node: Node) -> None:
        """Say that a node starts."""
        self._started[node.name] = time.monotonic()
        self._unsaved[node.name] = set(node.outputs)
        logger.info("Step %d of %d: %s", len(self._started), self._steps, _in_words(node))
        progress.report("node_started", node=node.name)

    @hook_impl(trylast=True)
    def after_dataset_saved(self, dataset_name: str, node: Node) -> None:
        """Say that a node has ended, with the last of its results: some are made only while they are saved."""
        self._unsaved[node.name].discard(dataset_name)
        if not self._unsaved[node.name]:
            seconds = round(time.monotonic() - self._started[node.name], 2)
            progress.report("node_finished", node=node.name, seconds=seconds)

    @hook_impl
    def on_node_error(self, error: Exception, node: Node) -> None:
        """Say which node failed, and why."""
        logger.error("Failed: %s", _in_words(node))
        progress.report("node_failed", node=node.name, error=f"{type(error).__name__}: {error}")


def _in_words(node: Node) -> str:
    """Name a step: `feature_extraction, extract features`."""
    pipeline, _, name = node.name.rpartition(".")
    return ", ".join(filter(None, [pipeline, name.removesuffix("_node").replace("_", " ")]))
