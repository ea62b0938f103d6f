"""What cuts across a run: checking its parameters, reporting its progress, printing its summary."""

import os
import time
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
from chest_cancer.parameters import Parameters


class ParametersHook:
    """Checks every parameter before any work."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Stop at an unknown name, or a value of another type or outside its range.

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


class SummaryHook:
    """Prints the results of a run."""

    @hook_impl
    def after_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Print the data, the number of images, the figures, and where to look next."""
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
