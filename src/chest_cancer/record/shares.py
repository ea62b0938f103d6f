"""Runs that may work in a project at the same time: shares of one batch, each of which makes other parts."""

from pathlib import Path
from typing import Any

from kedro.io import CatalogProtocol

from chest_cancer.parameters.blocks import BatchInferenceParameters


def shared_work(run_params: dict[str, Any], catalog: CatalogProtocol[Any, Any]) -> str | None:
    """Say what a run is a share of.

    Args:
        run_params: What Kedro's hooks know of the run.
        catalog: The run's.

    Returns:
        All that decides which rows the shares make together, in words; None for a run that is no share of a batch, or
        does something else, too.
    """
    if run_params.get("pipeline_names") != ["batch_inference"]:
        return None
    batch = BatchInferenceParameters.model_validate(catalog.load("params:batch_inference"))
    if batch.part is None:
        return None
    environment = run_params["env"] or "local"
    folder = Path(batch.source).expanduser()
    source = str(folder.resolve()) if folder.exists() else batch.source.rstrip("/")  # one source, however it is written
    return (
        f"`batch_inference.source` {source!r}, `.patient` {batch.patient!r}, `.limits.max_pixels` "
        f"{batch.limits.max_pixels}, `.limits.min_side` {batch.limits.min_side}, in environment {environment}"
    )
