"""What cuts across a run: checking parameters, the experiment record, the summary."""

import os
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro_mlflow.framework.hooks.mlflow_hook import MlflowHook
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from chest_cancer import progress
from chest_cancer.datasets.classifier import ClassifierDataset
from chest_cancer.parameters import Block, Parameters
from chest_cancer.tracking import speed_up_sqlite, start_run

if TYPE_CHECKING:
    import pandas as pd

REGISTERED_MODEL = "VGG16Model"
_METRICS_IN_A_REQUEST = 1000


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
        speed_up_sqlite()
        super().after_context_created(context=context)

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Open the record of this run."""
        if not self._already_active_mlflow:
            names = run_params.get("pipeline_names") or [run_params.get("pipeline_name") or "__default__"]
            self.mlflow_config.tracking.run.id = start_run(self.mlflow_config.tracking.experiment.name, "+".join(names))
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
        if dataset_name == "training_history":
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
        """Register the classifier of a run that ended well, then close the record."""
        if "classifier" in pipeline.all_outputs() and self._is_mlflow_enabled:
            _register_classifier(catalog["classifier"])
        super().after_pipeline_run(run_params=run_params, pipeline=pipeline, catalog=catalog)


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Name nested values `block.name`; typed blocks count as mappings."""
    for name, value in values.items():
        inner = value.model_dump(mode="json") if isinstance(value, Block) else value
        if isinstance(inner, dict) and inner:
            yield from _flatten(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", inner


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
    for start in range(0, len(metrics), _METRICS_IN_A_REQUEST):
        mlflow.MlflowClient().log_batch(run.info.run_id, metrics[start : start + _METRICS_IN_A_REQUEST])


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
        tags = {"mlflow.parentRunId": parent.info.run_id}
        run = client.create_run(parent.info.experiment_id, run_name=f"trial {row.pop('trial')}", tags=tags)
        figures = {name: row.pop(name) for name in ("loss", "seconds")}
        metrics = [Metric(name, value, now, 0) for name, value in figures.items() if not pd.isna(value)]
        params = [Param(f"model_training.{name}", str(value)) for name, value in row.items() if not pd.isna(value)]
        client.log_batch(run.info.run_id, metrics, params)
        # Without a loss it was given up.
        client.set_terminated(run.info.run_id, "KILLED" if pd.isna(figures["loss"]) else "FINISHED")


def _register_classifier(dataset: ClassifierDataset) -> None:
    import mlflow
    from mlflow.utils import requirements_utils

    from chest_cancer import registered_model

    # MLflow compares requirements with what is installed; a map of modules to packages, which it reads from the files
    # of every package, is for those whose requirements it has to guess.
    vars(requirements_utils)["_MODULES_TO_PACKAGES"] = {}
    script = Path(registered_model.__file__)
    # MLflow would like an example, with which it would run the model once more.
    warnings.filterwarnings("ignore", message=r"[\s\S]*An input example was not provided")
    mlflow.pyfunc.log_model(
        name="classifier",
        python_model=str(script),
        artifacts={"classifier": str(dataset.folder)},
        code_paths=[str(script.parent)],
        # Given, because inferring them would load the model once more, in a process of its own.
        pip_requirements=list(registered_model.REQUIREMENTS),
        signature=registered_model.signature(dataset.load().classes),
        registered_model_name=REGISTERED_MODEL,
    )


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
        data = manifest["data"]
        title = "Synthetic phantoms: no statement about patients" if data["synthetic"] else "Test split"
        table = Table("figure", "value", "interval", "n", title=title, title_justify="left")
        for name, figure in metrics.items():
            table.add_row(
                name,
                "unknown" if figure["value"] is None else f"{figure['value']:.3f}",
                f"{figure['low']:.3f} to {figure['high']:.3f}",
                str(figure["n"]),
            )
        splits = ", ".join(f"{name} {count}" for name, count in manifest["splits"].items())
        console = Console()
        console.print(
            f"\n[bold]Data[/]    {data['location']}: {data['files']} files, {data['distinct_by_content']} distinct, "
            f"{data['quarantined']} in quarantine",
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
