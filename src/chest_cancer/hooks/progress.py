"""Which step runs, for people and for other processes."""

import logging
import time
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from chest_cancer.jobs import progress

logger = logging.getLogger(__name__)


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
