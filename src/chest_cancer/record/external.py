"""The record of an external validation: figures of the other site, tied to the model that they are of."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from chest_cancer.record import contents, registry, tracking
from chest_cancer.record.provenance import SERVER_RUN_TAG
from chest_cancer.storage.figures import title_of

if TYPE_CHECKING:
    from mlflow.entities import Run


def log_external_validation(facts: dict[str, Any]) -> None:
    """Log figures of the other site, tag the active run with its model, and nest it in the run that trained that.

    Headlines are metrics; every figure there, here, and their difference is in a table.

    Args:
        facts: What `external_validation.json` holds.
    """
    import mlflow

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
    sides = facts["figures"]
    contents.log_headlines("external", {name: figures["external"] for name, figures in sides.items()})
    contents.log_headlines("external_difference", {name: figures["difference"] for name, figures in sides.items()})
    contents.log_table(_rows(facts), contents.EXTERNAL_TABLE)


def _rows(facts: dict[str, Any]) -> Iterator[dict[str, Any]]:
    measured = [
        (name, title_of(name), side, figure)
        for name, sides in facts["figures"].items()
        for side, figure in sides.items()
    ]
    measured += [
        (f"{kind}_shift", f"shift of {kind}", "external", facts["shift"].get(kind))
        for kind in ("embedding", "intensity")
    ]
    for name, title, side, figure in measured:
        if figure:
            parts = {part: figure.get(part) for part in ("value", "low", "high", "n")}
            yield {"figure": name, "of": side, **parts, "title": title}


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
