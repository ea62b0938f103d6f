"""Runs that may work in a project at the same time: shares of one batch, each of which makes other parts."""

from typing import Any

from kedro.io import CatalogProtocol

from chest_cancer.parameters.blocks import BatchInferenceParameters


def is_share(run_params: dict[str, Any], catalog: CatalogProtocol[Any, Any]) -> bool:
    """Whether a run is a share of a batch, and does nothing else.

    Args:
        run_params: What Kedro's hooks know of the run.
        catalog: The run's.
    """
    if run_params.get("pipeline_names") != ["batch_inference"]:
        return False
    return BatchInferenceParameters.model_validate(catalog.load("params:batch_inference")).part is not None
