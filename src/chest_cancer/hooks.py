"""What cuts across a run: holding the project, what belongs together, parameters, progress, the summary."""

import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from chest_cancer.jobs import progress
from chest_cancer.parameters.blocks import Parameters
from chest_cancer.record.ending import at_end, stop_if_told
from chest_cancer.record.flat_parameters import flat_parameters
from chest_cancer.record.shares import shared_work
from chest_cancer.sources.image_folder import RECORD, ImageFolder
from chest_cancer.storage.figures import UNKNOWN, figures_in, patients_of
from chest_cancer.storage.lineage import Ledger, Lineage, require_together
from chest_cancer.storage.project_lock import hold_project

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
            MixedResultsError: Some of it was made from something else: names what, and the cure.
        """
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
        path = self._path(dataset_name)
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

    def _path(self, name: str) -> Path | None:
        """Where a dataset lies; None for what is only in memory, or in an object store."""
        dataset = self._catalog.get(name)
        told = dataset._describe() if dataset else {}  # its filepath is the one thing that all of them tell
        filepath = told.get("filepath") if told.get("protocol", "file") == "file" else None
        return None if filepath is None else Path(filepath)

    def _part(self, name: str) -> Lineage | None:
        """What is known of an input; None for a parameter, and for what is not there, which Kedro will say."""
        if name in _NOT_TRACED or name.startswith("params:"):
            return None
        path = self._path(name)
        if path is None or not path.exists():
            return self._unstored.get(name)
        if (path / RECORD).is_file():
            return Lineage(ImageFolder.open(path).source.fingerprint)
        digest, known = self._ledger.digest(path), self._known.get(name)
        return known if known and known.digest == digest else Lineage(digest, pipeline=None)


class ParametersHook:
    """Checks every parameter before any work."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Stop at an unknown name, or a value of another type or outside its range.

        Raises:
            ValueError: Names each parameter, what was expected and what was received.
        """
        try:
            parameters = Parameters.model_validate(context.config_loader["parameters"])
        except ValidationError as error:
            lines = [
                f"- `{'.'.join(map(str, problem['loc']))}`: {problem['msg']}. Received: {problem['input']!r}"
                for problem in error.errors()
            ]
            raise ValueError(
                "\n".join(["Invalid parameters (conf/base/parameters.yml lists all of them):", *lines])
            ) from None
        progress.report("parameters", values=flat_parameters(dict(parameters)))


class SummaryHook:
    """Prints the results of a run."""

    @hook_impl
    def after_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Print the data, the number of images, the figures, and where to look next."""
        if "external_report" in pipeline.all_outputs():
            _print_external_validation(Console(), catalog.load("external_validation"))
        if "batch_summary" in pipeline.all_outputs():
            _print_batch(Console(), catalog.load("batch_summary"))
        if "metrics" not in pipeline.all_outputs():
            return
        manifest, metrics = catalog.load("candidate").manifest, catalog.load("metrics")
        data = manifest.data
        title = "Synthetic phantoms: no statement about patients" if data.synthetic else "Test split"
        if patients_of(metrics) == UNKNOWN and not data.synthetic:
            title += ", whose patients may also be in training"
        table = Table("figure", "value", "interval", "n", title=title, title_justify="left")
        for name, figure in figures_in(metrics).items():
            table.add_row(
                name,
                "unknown" if figure["value"] is None else f"{figure['value']:.3f}",
                f"{figure['low']:.3f} to {figure['high']:.3f}",
                str(figure["n"]),
            )
        splits = ", ".join(f"{name} {count}" for name, count in manifest.splits.items())
        console = Console()
        console.print(
            f"\n[bold]Data[/]    {data.location}: {data.files} files, {data.distinct_by_content} distinct, "
            f"{data.quarantined} in quarantine",
            f"[bold]Splits[/]  {splits}",
            sep="\n",
        )
        if "data_audit_leakage" in pipeline.all_outputs():
            _print_other_patients(console, catalog.load("data_audit_leakage").get("other_patients"))
        console.print(table)
        console.print(
            "[bold]Look[/]    data/08_reporting/report.html · make viz · make mlflow · make serve\n"
            "For research only: not a medical device.",
        )


def _print_external_validation(console: Console, facts: dict[str, Any]) -> None:
    """Print how the model does at the other site, and where to look next."""
    console.print(
        f"\n[bold]Other site[/]  {facts['source']['location']}: {facts['copies']['words']}",
        *facts["verdict"],
        "[bold]Look[/]    data/08_reporting/external_validation.html\nFor research only: not a medical device.",
        sep="\n",
    )


def _print_batch(console: Console, facts: dict[str, Any]) -> None:
    """Print what a batch came to, and what to do next."""
    answers = ", ".join(f"{label} {count:,}" for label, count in facts["answers"].items()) or "none"
    missing = facts["parts"] - facts["parts_done"]
    next_steps = "data/08_reporting/predictions.html · data/07_model_output/predictions"
    if missing:
        next_steps = f"run the other shares ({missing} of {facts['parts']} parts are missing), then once without `part`"
    console.print(
        f"\n[bold]Batch[/]   {facts['source']}: {facts['rows']:,} images; answers: {answers}; "
        f"{facts['without_answer_in_all']:,} without an answer, of which {facts['unreadable']:,} could not be read",
        f"[bold]Next[/]    {next_steps}\nFor research only: not a medical device.",
        sep="\n",
    )


def _print_other_patients(console: Console, other: dict[str, Any] | None) -> None:
    """Print what the figures may be for other patients; nothing where patients are known, or nothing was measured."""
    if other is None:
        return
    accuracy, area = (
        " to ".join(f"{other[name][end]['value']:.3f}" for end in ("lowest", "grouped"))
        for name in ("accuracy", "roc_auc")
    )
    ranges = f"[bold]Other patients[/]  accuracy {accuracy}, area under the ROC curve {area}"
    console.print(ranges, other["sentence"], *filter(None, [other["estimate"]]), sep="\n")


class ProgressHook:
    """Reports the nodes of a run."""

    def __init__(self) -> None:
        self._started: dict[str, float] = {}

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Say which nodes will run, in order."""
        progress.report("run_started", nodes=[node.name for node in pipeline.nodes])

    @hook_impl(tryfirst=True)
    def before_node_run(self, node: Node) -> None:
        """Say that a node starts."""
        self._started[node.name] = time.monotonic()
        progress.report("node_started", node=node.name)

    @hook_impl
    def after_node_run(self, node: Node) -> None:
        """Say that a node has ended, and how long it took."""
        progress.report(
            "node_finished", node=node.name, seconds=round(time.monotonic() - self._started.pop(node.name), 2)
        )

    @hook_impl
    def on_node_error(self, error: Exception, node: Node) -> None:
        """Say which node failed, and why."""
        progress.report("node_failed", node=node.name, error=f"{type(error).__name__}: {error}")
