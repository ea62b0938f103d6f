"""What cuts across a run: checking parameters, the experiment record, the summary."""

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro.runner import SequentialRunner
from kedro_mlflow.framework.hooks.mlflow_hook import MlflowHook
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from chest_cancer.jobs import progress
from chest_cancer.network.classifier import MANIFEST_FILE
from chest_cancer.network.manifest import Manifest
from chest_cancer.parameters import Block, Parameters
from chest_cancer.record import delivery, registered_files, registry, tracking

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

_ATTEMPTS = 3
_DEPEND_ON_THE_CHAMPION = {"compare_with_champion_node", "write_report_node"}


class ParametersHook:
    """Checks every parameter before any work."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Stop at a name that is unknown, a value of another type or outside its range.

        Raises:
            ValueError: Names each parameter, what was expected and what was received.
        """
        try:
            Parameters.model_validate(context.config_loader["parameters"])
        except ValidationError as error:
            lines = [
                f"- `{'.'.join(map(str, problem['loc']))}`: {problem['msg']}. Received: {problem['input']!r}"
                for problem in error.errors()
            ]
            raise ValueError(
                "\n".join(["Invalid parameters (conf/base/parameters.yml lists all of them):", *lines])
            ) from None


class TrackingHook(MlflowHook):  # type: ignore[misc]  # kedro-mlflow ships no types
    """kedro-mlflow's hook, with typed parameters flattened and the classifier registered."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Prepare the database, then let kedro-mlflow open it."""
        tracking.speed_up_sqlite()
        super().after_context_created(context=context)

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Open the record of this run."""
        if not self._already_active_mlflow:
            names = run_params.get("pipeline_names") or [run_params.get("pipeline_name") or "__default__"]
            self.mlflow_config.tracking.run.id = tracking.open_run("+".join(names))
        super().before_pipeline_run(run_params=run_params, pipeline=pipeline, catalog=catalog)

    @hook_impl
    def before_node_run(
        self, node: Node, catalog: CatalogProtocol[Any, Any], inputs: dict[str, Any], is_async: bool
    ) -> None:
        """Log the node's parameters under `block.name`, in one request: kedro-mlflow sends one for each."""
        if self._is_mlflow_enabled:
            import mlflow

            if mlflow.active_run() is None:  # in another thread than the record was opened in
                super().before_node_run(node=node, catalog=catalog, inputs={}, is_async=is_async)
            parameters = {
                name.removeprefix("params:"): value for name, value in inputs.items() if name.startswith("params:")
            }
            mlflow.log_params(dict(_flatten(parameters)))

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any, node: Node) -> None:
        """Log trials; curves and figures in one request each, where kedro-mlflow's datasets send every number alone."""
        if not self._is_mlflow_enabled:
            return
        if dataset_name == "classifier":
            _log_origin(data.manifest)
        elif dataset_name == "training_history":
            _log_metrics({f"training/{name}": values for name, values in data.items()})
        elif dataset_name == "search_trials":
            _log_trials(data)
        elif dataset_name == "metrics":
            _log_metrics(
                {
                    f"test/{name}" if part == "value" else f"test/{name}_{part}": [number]
                    for name, figure in data.items()
                    for part, number in figure.items()
                    if number is not None
                }
            )

    @hook_impl
    def after_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Bring the record to the server, register what was evaluated, and close the record."""
        delivered = self._is_mlflow_enabled and self._reaches_server(lambda: self._deliver(pipeline, catalog))
        super().after_pipeline_run(run_params=run_params, pipeline=pipeline, catalog=catalog)
        if delivered:
            self._reaches_server(lambda: delivery.close(self.run_id))

    @hook_impl
    def on_pipeline_error(
        self, error: Exception, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Close the record of a run that failed, and bring it to the server."""
        super().on_pipeline_error(error=error, run_params=run_params, pipeline=pipeline, catalog=catalog)
        if self._is_mlflow_enabled and self._reaches_server(lambda: delivery.send(self.run_id)):
            self._reaches_server(lambda: delivery.close(self.run_id))

    def _reaches_server(self, action: Callable[[], object]) -> bool:
        """Do something that needs the server; where that fails say so, and let the run end well."""
        try:
            action()
        except ConnectionError as error:
            logger.warning("%s The record is kept here: `kedro record send` brings it there.", error)
            return False
        return True

    def _deliver(self, pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]) -> None:
        """Send the record; register a model that was evaluated, as champion where the gate says so."""
        if "promotion" not in pipeline.all_outputs():
            delivery.send(self.run_id)
            return
        folder = catalog["classifier"].folder
        manifest = (folder / MANIFEST_FILE).read_bytes()
        beside = (catalog.load(name) for name in ("split_table", "test_predictions", "metrics"))
        registered_files.record(self.run_id, folder, *beside)
        for _ in range(_ATTEMPTS):
            delivery.send(self.run_id)
            decision = catalog.load("promotion")
            try:
                registry.submit(self.run_id, manifest, decision)
                break
            except registry.ChampionChangedError as error:
                logger.info("%s Comparing again.", error)
                names = {node.name for node in pipeline.nodes} & _DEPEND_ON_THE_CHAMPION
                SequentialRunner().run(pipeline.only_nodes(*names), catalog)
        else:
            decision = registry.submit_undecided(self.run_id, manifest)
        progress.report("promotion", promoted=decision["promoted"], reason=decision["reason"])
        logger.info("%s: %s", registry.MODEL, decision["reason"])


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Name nested values `block.name`; typed blocks count as mappings."""
    for name, value in values.items():
        inner = value.model_dump(mode="json") if isinstance(value, Block) else value
        if isinstance(inner, dict) and inner:
            yield from _flatten(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", inner


def _log_origin(manifest: Manifest) -> None:
    """Tag the active run with what its classifier was made of."""
    import mlflow

    mlflow.set_tags(
        {
            "data_digest": manifest.data.digest,
            "split_digest": manifest.split_digest,
            "precision": manifest.precision,
        }
    )


def _log_metrics(series: dict[str, list[float]]) -> None:
    """Log series of numbers to the active run; steps count from 1."""
    import mlflow
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    metrics = [
        Metric(name, value, now, step) for name, values in series.items() for step, value in enumerate(values, start=1)
    ]
    run = mlflow.active_run()
    if run is None:
        return
    mlflow.MlflowClient().log_batch(run.info.run_id, metrics)


def _log_trials(trials: "pd.DataFrame") -> None:
    """Log each trial of a search as a run inside the active one."""
    import mlflow
    import pandas as pd
    from mlflow.entities import Metric, Param

    parent, client = mlflow.active_run(), mlflow.MlflowClient()
    if parent is None:
        return
    now = int(time.time() * 1000)
    for row in trials.to_dict("records"):
        tags = {tracking.PARENT_TAG: parent.info.run_id}
        run = client.create_run(parent.info.experiment_id, run_name=f"trial {row.pop('trial')}", tags=tags)
        figures = {name: row.pop(name) for name in ("loss", "seconds")}
        metrics = [Metric(name, value, now, 0) for name, value in figures.items() if not pd.isna(value)]
        params = [Param(f"model_training.{name}", str(value)) for name, value in row.items() if not pd.isna(value)]
        client.log_batch(run.info.run_id, metrics, params)
        # Without a loss it was given up.
        client.set_terminated(run.info.run_id, "KILLED" if pd.isna(figures["loss"]) else "FINISHED")


class SummaryHook:
    """Prints what came out of a run."""

    @hook_impl
    def after_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Print which data, how many images, the figures and where to look."""
        if "metrics" not in pipeline.all_outputs():
            return
        manifest, metrics = catalog.load("classifier").manifest, catalog.load("metrics")
        data = manifest.data
        title = "Synthetic phantoms: no statement about patients" if data.synthetic else "Test split"
        table = Table("figure", "value", "interval", "n", title=title, title_justify="left")
        for name, figure in metrics.items():
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
        console.print(table)
        console.print(
            "[bold]Look[/]    data/08_reporting/report.html · make viz · make mlflow · make serve\n"
            "For research only: not a medical device.",
        )


class ProgressHook:
    """Reports the nodes of a run to the file that `CHEST_CANCER_PROGRESS` names, if it names one."""

    def __init__(self) -> None:
        self._started: dict[str, float] = {}

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Say which nodes will run, in order."""
        if path := os.environ.get(progress.FILE_VARIABLE):
            progress.write_to(Path(path))
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
