"""One run at a time in a project."""

from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

from chest_cancer.record.ending import at_end, stop_if_told
from chest_cancer.record.shares import shared_work
from chest_cancer.storage.project_lock import hold_project


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
        environment = f"--env {run_params['env']}" if run_params["env"] else ""
        parts = ["kedro run", environment, f"--pipelines {','.join(names)}" if names else ""]
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
