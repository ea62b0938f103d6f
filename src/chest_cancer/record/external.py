"""The record of an external validation: figures of the other site, tied to the model that they are of."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from chest_cancer.record import registry, tracking
from chest_cancer.record.names import figure_name
from chest_cancer.record.provenance import SERVER_RUN_TAG
from chest_cancer.storage.figures import Figure, StoredFigure

if TYPE_CHECKING:
    from mlflow.entities import Run


def log_external_validation(facts: dict[str, Any]) -> None:
    """Log figures and differences to the active run, tag it with its model, and nest it in the run that trained that.

    Args:
        facts: What `external_validation.json` holds.
    """
    import mlflow
    from mlflow.entities import Metric

    run, model = mlflow.active_run(), facts["model"]
    if run is None:
        return
    parent = _run_of(model["run_id"])
    tags = {
        "model": model["name"],
        "model_version": model["version"] or _version_of(model["manifest_sha256"]),
        "model_run_id": model["run_id"],
        "manifest_sha256": model["manifest_sha256"],
        # One run may train and validate: it is not nested in itself.
        tracking.PARENT_TAG: parent.info.run_id if parent and parent.info.run_id != run.info.run_id else None,
    }
    mlflow.set_tags({name: value for name, value in tags.items() if value is not None})
    now = int(time.time() * 1000)
    metrics = [Metric(name, value, now, 1) for name, value in _numbers(facts)]
    mlflow.MlflowClient().log_batch(run.info.run_id, metrics)


def _numbers(facts: dict[str, Any]) -> Iterator[tuple[str, float]]:
    measured: list[tuple[str, str, Figure | StoredFigure | None]] = [
        (kind, name, sides[side])
        for name, sides in facts["figures"].items()
        for kind, side in (("external", "external"), ("external_difference", "difference"))
    ]
    measured += [("external_shift", name, facts["shift"].get(name)) for name in ("embedding", "intensity")]
    for kind, name, figure in measured:
        for part, number in (figure or {}).items():
            if isinstance(number, int | float):
                yield figure_name(name, part, kind), float(number)


def _run_of(run_id: str | None) -> "Run | None":
    """Find the run that trained a model in the record here; it may be known by its id on the server."""
    if run_id is None or not run_id.isalnum():  # a manifest from elsewhere may say anything
        return None
    for where in (f"attributes.run_id = '{run_id}'", f"tags.{SERVER_RUN_TAG} = '{run_id}'"):
        if found := tracking.runs_here(where):
            return found[0]
    return None


def _version_of(manifest_sha256: str) -> str | None:
    """Number of a candidate that was registered; None where it was not, or nobody can say."""
    try:
        with tracking.reaching_server():
            return registry.number_of(registry.find_version(manifest_sha256))
    except ConnectionError:  # it will be said when the record is sent
        return None
