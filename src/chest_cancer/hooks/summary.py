"""How a run ends: what it has made, what to believe, and what to do next."""

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from rich.console import Console

from chest_cancer.hooks.lineage import path_of
from chest_cancer.jobs.long_work import time_in_words
from chest_cancer.jobs.model_files import ModelFolder
from chest_cancer.record.provenance import dvc_process
from chest_cancer.reporting.endings import endings_of, print_ending
from chest_cancer.reporting.last_words import Results
from chest_cancer.reporting.next_commands import go_on

if TYPE_CHECKING:
    from chest_cancer.reporting.templates import AuditedPart


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
        options = partial(go_on, env=run_params["env"], parameters=run_params["runtime_params"])
        for ending in endings_of(made):
            paths = {name: project / path for name in ending.files if (path := path_of(catalog, name)) is not None}
            print_ending(ending, results, paths, project, options if dvc_process() is None else None)
        Console().print(f"\n[bold]Done[/] in {time_in_words(time.monotonic() - self._begun)}.")


def _audited(catalog: CatalogProtocol[Any, Any], subject: str) -> "list[AuditedPart]":
    """What the audits of `data`, or of data and `model`, found."""
    from chest_cancer.audits.audit import parts_of
    from chest_cancer.audits.registry import AUDITS, DATA_AUDITS

    audits = DATA_AUDITS if subject == "data" else AUDITS
    return parts_of(audits, {audit.facts_dataset: catalog.load(audit.facts_dataset) for audit in audits})


def _own_figures(catalog: CatalogProtocol[Any, Any]) -> Mapping[str, Any]:
    """Test figures of the model that is served."""
    return ModelFolder(catalog["classifier"].folder).figures()
