"""The project's pipelines."""

from kedro.framework.project import find_pipelines
from kedro.pipeline import Pipeline

ON_REQUEST = ("batch_inference", "hyperparameter_search")


def register_pipelines() -> dict[str, Pipeline]:
    """Find the pipelines. The default run has all of them, except those that run only on request.

    Returns:
        Pipelines by name.
    """
    pipelines = find_pipelines(raise_errors=True)
    pipelines["__default__"] = sum(
        (pipeline for name, pipeline in pipelines.items() if name not in ON_REQUEST), start=Pipeline([])
    )
    return pipelines
