"""The project's pipelines."""

import inspect
import warnings
from functools import partial
from pathlib import Path

from kedro.framework.project import find_pipelines
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro.pipeline.preview_contract import TextPreview
from kedro.utils import KedroExperimentalWarning

from chest_cancer.parameters.blocks import ON_REQUEST


def register_pipelines() -> dict[str, Pipeline]:
    """Find the pipelines. The default run has all of them, except those that run only on request.

    Returns:
        Pipelines by name.

    Raises:
        ValueError: A run asked for a pipeline that does not exist.
    """
    try:
        pipelines = find_pipelines(raise_errors=True)
    except ImportError as error:
        if error.__cause__ is not None:  # a pipeline that is there can't be imported
            raise
        _, asked, _ = str(error).split("'")
        names = sorted(path.parent.name for path in Path(__file__).parent.glob("pipelines/*/pipeline.py"))
        raise ValueError(
            f"Invalid value received for `--pipelines`. Expected some of: {', '.join(names)}. "
            f"Received: {asked.rpartition('.')[2]!r}"
        ) from None
    pipelines["__default__"] = sum(
        (pipeline for name, pipeline in pipelines.items() if name not in ON_REQUEST), start=Pipeline([])
    )
    if "external_validation" in pipelines:
        # Its images are brought and indexed as all are. Pipelines don't import each other, so they are joined here.
        from chest_cancer.pipelines.data_ingestion.pipeline import create_external_pipeline

        pipelines["external_validation"] += create_external_pipeline()
    return {name: Pipeline([_explained(node) for node in pipeline.nodes]) for name, pipeline in pipelines.items()}


def _explained(node: Node) -> Node:
    """Let kedro-viz say what a node is for when it is clicked: what its docstring begins with.

    Kedro's public names can't copy a node: they tell its inputs in order, without the arguments that these are for.
    """
    purpose = " ".join((inspect.getdoc(node.func) or node.name).partition("\n\n")[0].split())
    with warnings.catch_warnings(action="ignore", category=KedroExperimentalWarning):
        return node._copy(preview_fn=partial(TextPreview, purpose))
