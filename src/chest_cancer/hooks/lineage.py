"""What is used together was made from the same, and is there before any work."""

import threading
from collections import defaultdict
from collections.abc import Callable, Collection
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from chest_cancer.reporting.next_commands import go_on
from chest_cancer.sources.image_folder import RECORD, ImageFolder
from chest_cancer.storage.lineage import Ledger, Lineage, require_together

_NOT_TRACED = {
    # Caches, and images that are only asked about: they make no result their own.
    *("feature_store", "inference_images", "patient_key"),
    # Made by other runs: found by their own digests, and used beside whatever is here.
    *("champion", "classifier"),
    # Made by several runs together: each part says itself what it was made from.
    *("predictions", "patient_predictions", "study_predictions", "batch_summary"),
}


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
        self._options = partial(go_on, env=run_params.get("env"), parameters=run_params.get("runtime_params") or {})
        if missing:
            raise FileNotFoundError(_say_missing(missing, self._options))
        self._catalog = catalog
        self._ledger = Ledger(Path(run_params["project_path"]) / "data" / "lineage")
        self._known = self._ledger.read()
        self._unstored: dict[str, Lineage] = {}
        self._parts: dict[str, dict[str, Lineage]] = defaultdict(dict)
        parts = {name: part for name in sorted(pipeline.inputs()) if (part := self._part(name))}
        require_together(parts, self._known, self._options)

    @hook_impl
    def before_dataset_loaded(self, dataset_name: str, node: Node) -> None:
        """Check that what a node takes belongs together.

        Raises:
            MixedResultsError: It was made from something else than the node's other inputs.
        """
        if part := self._part(dataset_name):
            parts = self._parts[node.name]
            parts[dataset_name] = part
            require_together(parts, self._known, self._options)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any, node: Node) -> None:
        """Note what a result was made from."""
        path = path_of(self._catalog, dataset_name)
        if dataset_name in _NOT_TRACED or (path is not None and (path / RECORD).is_file()):
            return
        made_from = require_together(self._parts[node.name], self._known, self._options)
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


def _say_missing(names: Collection[str], options: Callable[[str], str]) -> str:
    """Say what is not there, and which pipelines make it, with the options of the run that lacks it."""
    pipelines = [path.parent.name for path in sorted(Path(__file__).parents[1].glob("pipelines/*/pipeline.py"))]
    made = {name: import_module(f"chest_cancer.pipelines.{name}").create_pipeline().all_outputs() for name in pipelines}
    makers = ",".join(pipeline for pipeline, outputs in made.items() if outputs & {*names})
    these = f"`{options(f'kedro run --pipelines {makers}')}`, or everything: " if makers else ""
    return f"Not made yet: {', '.join(f'`{name}`' for name in names)}. Make first: {these}`{options('kedro run')}`."


def path_of(catalog: CatalogProtocol[Any, Any], name: str) -> Path | None:
    """Where a dataset lies; None for what is only in memory, or in an object store."""
    dataset = catalog.get(name)
    told = dataset._describe() if dataset else {}  # its filepath is the one thing that all of them tell
    filepath = told.get("filepath") if told.get("protocol", "file") == "file" else None
    return None if filepath is None else Path(filepath)
