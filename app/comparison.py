"""Two runs side by side: their figures, and the parameters that differ."""

from typing import Any

from chest_cancer.jobs.training_job import Job


def compare(first: Job, second: Job) -> dict[str, Any]:
    """Set two jobs side by side.

    Args:
        first: A job that has ended.
        second: Another one.

    Returns:
        `figures`: name, and the figure of each, None where one lacks it; `parameters`: name, and the value of each
            where they differ; `same_images`: whether both were tested on the same images.
    """
    names = list(dict.fromkeys([*first.figures, *second.figures]))
    keys = sorted(first.parameters.keys() | second.parameters.keys())
    pairs = [(name, first.parameters.get(name), second.parameters.get(name)) for name in keys]
    return {
        "figures": [(name, first.figures.get(name), second.figures.get(name)) for name in names],
        "parameters": [(name, one, other) for name, one, other in pairs if one != other],
        "same_images": bool(first.data) and _tested_on(first) == _tested_on(second),
    }


def _tested_on(job: Job) -> tuple[Any, Any]:
    return job.data.get("digest"), job.data.get("split_digest")
