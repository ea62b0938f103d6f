"""What is recorded of a run, and when: kedro-mlflow's hook, adapted to this project."""

import logging
import sys
from pathlib import Path
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro.runner import SequentialRunner
from kedro_mlflow.framework.hooks.mlflow_hook import MlflowHook

from chest_cancer.jobs import progress
from chest_cancer.network.classifier import MANIFEST_FILE
from chest_cancer.network.manifest import DataSummary, Manifest
from chest_cancer.parameters.sources import source_name
from chest_cancer.record import contents, delivery, registered_files, registry, tracking
from chest_cancer.record.ending import at_end
from chest_cancer.record.external import log_external_validation
from chest_cancer.record.flat_parameters import flat_parameters, public
from chest_cancer.record.front_page import present
from chest_cancer.record.kept_champion import KeptChampion
from chest_cancer.record.provenance import dvc_process
from chest_cancer.record.relocation import follow_project
from chest_cancer.record.run_name import DEFAULT, RunParameters
from chest_cancer.record.shares import shared_work
from chest_cancer.storage.figures import figures_in
from chest_cancer.storage.project import require_writable
from chest_cancer.storage.recoverable_folder import locked

logger = logging.getLogger(__name__)

_ATTEMPTS = 3
# Datasets: what depends on the champion is out of date when another model becomes champion.
_CANDIDATE, _CHAMPION, _SERVED = "candidate", "champion", "classifier"
_PIPELINES_TAG = "pipeline_names"
# Of what kedro-mlflow would tag a run with: an object's address, and what other tags say.
_NO_TAGS = {"project_path", "run_id", "runner"}


class TrackingHook(MlflowHook):  # type: ignore[misc]  # kedro-mlflow ships no types
    """kedro-mlflow's hook, with typed parameters flattened and the classifier registered."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Prepare the database, then let kedro-mlflow open it.

        Raises:
            PermissionError: This user can't write what a run leaves.
        """
        data = Path(context.project_path) / "data"
        require_writable(data, "images, models and reports")
        if files := tracking.artifact_location():
            for path in (Path(files).parent, Path(files).with_name("mlflow.db"), Path(files)):
                require_writable(path, "records of runs")
        tracking.speed_up_sqlite()
        # Before the project is held: of two processes that start at once, only one may make the database.
        with locked(data / ".record.lock"):
            follow_project()
            super().after_context_created(context=context)

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Open the record of this run."""
        names = run_params.get("pipeline_names") or [run_params.get("pipeline_name") or DEFAULT]
        # By DVC all stages are one run, of the default pipelines.
        self._parameters = RunParameters.of(catalog.load("parameters"), [DEFAULT] if dvc_process() else names)
        shown = public({name: value for name, value in run_params.items() if name not in _NO_TAGS})
        if self._already_active_mlflow:
            super().before_pipeline_run(run_params=shown, pipeline=pipeline, catalog=catalog)
            return
        if shared_work(run_params, catalog) is None:  # else others may be running
            delivery.close_abandoned()
        opened = tracking.open_run(self._parameters.title())
        at_end.callback(_end, opened)
        self.mlflow_config.tracking.run.id = opened
        run = tracking.connect(tracking.tracking_uri()).get_run(opened)
        before = run.data.tags.get(_PIPELINES_TAG)
        self.mlflow_config.tracking.run.name = run.info.run_name
        super().before_pipeline_run(run_params=shown, pipeline=pipeline, catalog=catalog)
        if self._is_mlflow_enabled:
            _tag_pipelines([*(before.split(",") if before else ()), *names])
            if before is None:
                present(opened, self._parameters.changes)

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
        """Log trials, curves, figures and the images; name the run by the head that was chosen."""
        if not self._is_mlflow_enabled:
            return
        if dataset_name == "data_summary":
            contents.log_dataset(DataSummary.of(data))
        elif dataset_name == _CANDIDATE:
            contents.log_origin(data.manifest)
            _rename(self._parameters.title(data.manifest.head))
        elif dataset_name == "training_history":
            min_delta = self._parameters.values["model_training.early_stopping.min_delta"]
            contents.log_curves(data, min_delta)
        elif dataset_name == "search_trials":
            contents.log_trials(data)
        elif dataset_name == "external_validation":
            log_external_validation(data)
        elif dataset_name == "metrics":
            contents.log_figures(data)

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
            self._send()
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
            self._send()
            try:
                return registry.submit(self.run_id, manifest, catalog.load("promotion"))
            except registry.ChampionChangedError as error:
                logger.info("%s Comparing again.", error)
                SequentialRunner().run(pipeline.from_inputs(_CHAMPION), catalog)
        return registry.submit_undecided(self.run_id, manifest)

    def _send(self) -> None:
        """Describe the run by what it has recorded, and send the record."""
        present(self.run_id, self._parameters.changes)
        delivery.send(self.run_id)


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


def _rename(title: str) -> None:
    import mlflow

    mlflow.set_tag("mlflow.runName", title)


def _data_of(manifest: Manifest) -> dict[str, Any]:
    """What tells the images of one model from those of another, without folders of this machine."""
    data = manifest.data
    return {
        "source": source_name(data.location),
        "synthetic": data.synthetic,
        "classes": list(manifest.classes),
        "images": data.images,
        "digest": data.digest,
        "split_digest": manifest.split_digest,
    }
