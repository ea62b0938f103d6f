"""What is recorded of a run, and when: kedro-mlflow's hook, adapted to this project."""

import logging
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro.runner import SequentialRunner
from kedro_mlflow.framework.hooks.mlflow_hook import MlflowHook

from chest_cancer.jobs import progress
from chest_cancer.network.classifier import MANIFEST_FILE
from chest_cancer.network.manifest import Manifest
from chest_cancer.record import delivery, registered_files, registry, tracking
from chest_cancer.record.ending import at_end
from chest_cancer.record.external import log_external_validation
from chest_cancer.record.flat_parameters import flat_parameters, public
from chest_cancer.record.kept_champion import KeptChampion
from chest_cancer.record.names import figure_name, mlflow_name
from chest_cancer.record.provenance import dvc_process
from chest_cancer.record.relocation import follow_project
from chest_cancer.record.shares import is_share
from chest_cancer.storage.figures import figures_in
from chest_cancer.storage.recoverable_folder import locked

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

_ATTEMPTS = 3
# Datasets: what depends on the champion is out of date when another model becomes champion.
_CANDIDATE, _CHAMPION, _SERVED = "candidate", "champion", "classifier"
_PIPELINES_TAG = "pipeline_names"


class TrackingHook(MlflowHook):  # type: ignore[misc]  # kedro-mlflow ships no types
    """kedro-mlflow's hook, with typed parameters flattened and the classifier registered."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Prepare the database, then let kedro-mlflow open it."""
        tracking.speed_up_sqlite()
        # Before the project is held: of two processes that start at once, only one may make the database.
        with locked(Path(context.project_path) / "data" / ".record.lock"):
            follow_project()
            super().after_context_created(context=context)

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Open the record of this run."""
        names = run_params.get("pipeline_names") or [run_params.get("pipeline_name") or "__default__"]
        if self._already_active_mlflow:
            super().before_pipeline_run(run_params=public(run_params), pipeline=pipeline, catalog=catalog)
            return
        if not is_share(run_params, catalog):  # others may be running
            delivery.close_abandoned()
        name = "dvc" if dvc_process() else "+".join(names)
        opened = tracking.open_run(name)
        at_end.callback(_end, opened)
        self.mlflow_config.tracking.run.id, self.mlflow_config.tracking.run.name = opened, name
        before = tracking.connect(tracking.tracking_uri()).get_run(opened).data.tags.get(_PIPELINES_TAG)
        super().before_pipeline_run(run_params=public(run_params), pipeline=pipeline, catalog=catalog)
        if self._is_mlflow_enabled:
            _tag_pipelines([*(before.split(",") if before else ()), *names])

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
            mlflow.log_params(flat_parameters(parameters))

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any, node: Node) -> None:
        """Log trials, curves and figures, in one request each: kedro-mlflow's datasets send every number on its own."""
        if not self._is_mlflow_enabled:
            return
        if dataset_name == _CANDIDATE:
            _log_origin(data.manifest)
        elif dataset_name == "training_history":
            _log_metrics({mlflow_name(f"training/{name}"): values for name, values in data.items()})
        elif dataset_name == "search_trials":
            _log_trials(data)
        elif dataset_name == "external_validation":
            log_external_validation(data)
        elif dataset_name == "metrics":
            figures: dict[str, Any] = figures_in(data)
            _log_metrics(
                {
                    figure_name(name, part): [number]
                    for name, figure in figures.items()
                    for part, number in figure.items()
                    if number is not None
                }
            )

    @hook_impl
    def after_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Send the record to the server, register a model that was evaluated, and close the record."""
        delivered = self._is_mlflow_enabled and delivery.reaches_server(lambda: self._deliver(pipeline, catalog))
        super().after_pipeline_run(run_params=run_params, pipeline=pipeline, catalog=catalog)
        if delivered:
            delivery.reaches_server(lambda: delivery.close(self.run_id))

    @hook_impl
    def on_pipeline_error(
        self, error: Exception, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Close the record of a run that failed, and send it to the server."""
        if not self._already_active_mlflow:
            _end(self.run_id)

    def _deliver(self, pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]) -> None:
        """Send the record; register a model that was evaluated, and serve it where the gate says so."""
        if "promotion" not in pipeline.all_outputs():
            delivery.send(self.run_id)
            return
        folder = catalog[_CANDIDATE].folder
        manifest = (folder / MANIFEST_FILE).read_bytes()
        facts, metrics = Manifest.read(manifest), catalog.load("metrics")
        told = {
            "run_id": facts.provenance.mlflow_run_id,
            "figures": figures_in(metrics),
            "data": _data_of(facts),
        }
        try:
            submitted = self._submit(folder, manifest, metrics, pipeline, catalog)
            submitted = KeptChampion(catalog[_SERVED].folder).serve(submitted, facts)
        except ConnectionError as error:
            reason = f"Not decided: {error} `kedro record send` registers the model, and serves it if it is promoted."
            progress.report("promotion", promoted=False, reason=reason, version=None, **told)
            raise
        is_served, reason = submitted.is_champion, submitted.reason
        progress.report("promotion", promoted=is_served, reason=reason, version=submitted.version, **told)
        logger.info("%s, version %s: %s", registry.MODEL, submitted.version, reason)

    def _submit(
        self,
        folder: Path,
        manifest: bytes,
        metrics: dict[str, Any],
        pipeline: Pipeline,
        catalog: CatalogProtocol[Any, Any],
    ) -> registry.Submitted:
        """Register the model, and compare it again while others make theirs champion."""
        table, said = catalog.load("split_table"), catalog.load("test_predictions")
        registered_files.record(self.run_id, folder, table, said, metrics)
        for _ in range(_ATTEMPTS):
            delivery.send(self.run_id)
            try:
                return registry.submit(self.run_id, manifest, catalog.load("promotion"))
            except registry.ChampionChangedError as error:
                logger.info("%s Comparing again.", error)
                SequentialRunner().run(pipeline.from_inputs(_CHAMPION), catalog)
        return registry.submit_undecided(self.run_id, manifest)


def _end(run_id: str) -> None:
    """End a run that is still open: as failed after an error, as killed after anything else."""
    import mlflow

    status = "FAILED" if isinstance(sys.exception(), Exception) else "KILLED"
    delivery.end(run_id, status)
    while mlflow.active_run():  # else MLflow would end it well when the process ends
        mlflow.end_run(status)


def _tag_pipelines(names: list[str]) -> None:
    """Tag the active run with all pipelines that it has run: by DVC it is one run, opened for each stage."""
    import mlflow

    tags = {_PIPELINES_TAG: ",".join(names)}
    if len(names) > 1:
        tags["kedro_command"] = f"kedro run --pipelines={','.join(names)}"
    mlflow.set_tags(tags)


def _data_of(manifest: Manifest) -> dict[str, Any]:
    """What tells the images of one model from those of another, without folders of this machine."""
    data = manifest.data
    is_address = data.kind in ("google_drive", "https", "dicomweb", "object_store")
    return {
        "source": data.location if is_address else Path(data.location).name,
        "synthetic": data.synthetic,
        "classes": list(manifest.classes),
        "images": data.images,
        "digest": data.digest,
        "split_digest": manifest.split_digest,
    }


def _log_origin(manifest: Manifest) -> None:
    """Tag the active run with what its classifier was made from."""
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
