"""The model registry: versions of the classifier, of which the alias `champion` names the one to serve."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from chest_cancer.network.manifest import Manifest
from chest_cancer.record.tracking import MODEL_FOLDER, connect, reaching_server, registry_uri, run_on
from chest_cancer.storage.recoverable_folder import locked

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

MODEL = "VGG16Model"
CHAMPION = "champion"
CHALLENGER = "challenger"

_DIGEST_TAG = "manifest_sha256"
_FORMER_TAG = "former_champion"
# Without a model, and with a model without this alias.
_MISSING = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}


class Decision(TypedDict):
    """What the gate decided about a model.

    Attributes:
        promoted: Whether it becomes champion.
        reason: Why, or why not, in a sentence.
        champion: Version that it was compared with; None where there was no champion.
    """

    promoted: bool
    reason: str
    champion: str | None


class ChampionChangedError(RuntimeError):
    """Another run has made its model champion since this one was compared."""


def champion() -> "ModelVersion | None":
    """Return the version that is champion, or None.

    Raises:
        ConnectionError: The server can't be used.
    """
    from mlflow.exceptions import MlflowException

    with reaching_server():
        try:
            return connect(registry_uri()).get_model_version_by_alias(MODEL, CHAMPION)
        except MlflowException as error:
            if error.error_code in _MISSING:
                return None
            raise


def submit(run_id: str, manifest: bytes, decision: Decision) -> str:
    """Register the model that a run has recorded, and set the aliases as the gate decided.

    Args:
        run_id: Id of the run here; its artifacts hold the model, unless that is registered already.
        manifest: Content of the classifier's `manifest.json`.
        decision: Result of the comparison with the champion.

    Returns:
        The version.

    Raises:
        ChampionChangedError: Another model has become champion since. The version was made; no alias was set.
        ConnectionError: The server can't be used.
    """
    client, facts = connect(registry_uri()), Manifest.read(manifest)
    with reaching_server(), _locked():
        version = find_version(manifest) or _create(client, run_id, manifest)
        current = champion()
        if _number(current) != decision["champion"]:
            raise ChampionChangedError(
                f"Champion of {MODEL} is now {_name(current)}, and this model was compared with "
                f"{decision['champion'] or 'none'}."
            )
        number = str(version.version)
        if number != _number(current):
            client.update_model_version(MODEL, number, _describe(decision["reason"], facts))
            client.set_registered_model_alias(MODEL, CHALLENGER, number)
        if decision["promoted"]:
            _crown(client, number, current)
    return number


def submit_undecided(run_id: str, manifest: bytes) -> Decision:
    """Register a model whose comparison is out of date, as challenger.

    Args:
        run_id: Id of the run here.
        manifest: Content of the classifier's `manifest.json`.

    Returns:
        The reason why it is not promoted.
    """
    current = champion()
    reason = (
        f"Not compared with {_name(current)}, which has become champion since. "
        "`kedro run --pipelines model_evaluation` compares again."
    )
    decision = Decision(promoted=False, reason=reason, champion=_number(current))
    submit(run_id, manifest, decision)
    return decision


def promote(version: str) -> None:
    """Make a version champion by hand, whatever the gate said.

    Raises:
        ValueError: There is no such version.
    """
    from mlflow.exceptions import MlflowException

    client = connect(registry_uri())
    with reaching_server(), _locked():
        try:
            client.get_model_version(MODEL, version)
        except MlflowException as error:
            if error.error_code not in _MISSING:
                raise
            raise ValueError(f"{MODEL} has no version {version}. `make mlflow` shows its versions.") from error
        current = champion()
        if _number(current) != version:
            _crown(client, version, current)
            _note(client, version, "Made champion by hand")


def roll_back() -> tuple[str, str]:
    """Make the former champion champion again.

    Returns:
        The version that was champion, and the one that is champion now.

    Raises:
        ValueError: There is no champion, or there was none before it.
    """
    client = connect(registry_uri())
    with reaching_server(), _locked():
        current = champion()
        if current is None:
            raise ValueError(f"No version of {MODEL} is champion. Train one with `kedro run`.")
        former = current.tags.get(_FORMER_TAG)
        if former is None:
            raise ValueError(f"{MODEL} {_name(current)} is the first champion: there was none before it to go back to.")
        client.set_registered_model_alias(MODEL, CHAMPION, former)
        _note(client, str(current.version), "Rolled back")
        _note(client, former, "Champion again")
    return str(current.version), former


def _crown(client: "MlflowClient", version: str, current: "ModelVersion | None") -> None:
    if current is not None:
        client.set_model_version_tag(MODEL, version, _FORMER_TAG, _number(current))
    client.set_registered_model_alias(MODEL, CHAMPION, version)
    client.delete_registered_model_alias(MODEL, CHALLENGER)


def _note(client: "MlflowClient", version: str, event: str) -> None:
    before = client.get_model_version(MODEL, version).description
    today = datetime.now(UTC).date().isoformat()
    client.update_model_version(MODEL, version, f"{before}\n\n{event} on {today}.")


def _number(version: "ModelVersion | None") -> str | None:
    # Stores differ in whether it is a number or text.
    return None if version is None else str(version.version)


def _name(version: "ModelVersion | None") -> str:
    return "none" if version is None else f"version {version.version}"


def find_version(manifest: bytes) -> "ModelVersion | None":
    """Find the version that has this manifest."""
    digest = hashlib.sha256(manifest).hexdigest()
    versions = connect(registry_uri()).search_model_versions(f"name = '{MODEL}'")
    return next((version for version in versions if version.tags.get(_DIGEST_TAG) == digest), None)


def _create(client: "MlflowClient", run_id: str, manifest: bytes) -> "ModelVersion":
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(MODEL)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    facts = Manifest.read(manifest)
    tags = {
        _DIGEST_TAG: hashlib.sha256(manifest).hexdigest(),
        "training_run_id": facts.provenance.mlflow_run_id,
        "git_commit": facts.provenance.git_commit,
        "data_digest": facts.data.digest,
        "split_digest": facts.split_digest,
    }
    run = run_on(registry_uri(), run_id)
    return client.create_model_version(
        MODEL,
        f"{run.info.artifact_uri}/{MODEL_FOLDER}",
        run.info.run_id,
        tags={name: str(value) for name, value in tags.items() if value is not None},
    )


def _describe(reason: str, manifest: Manifest) -> str:
    provenance, data = manifest.provenance, manifest.data
    clean = {True: "", False: ", with uncommitted changes", None: ""}[provenance.git_clean]
    return (
        f"{reason}\n\nTrained on {data.location} (digest {data.digest[:12]}) by run "
        f"{provenance.mlflow_run_id}, commit {(provenance.git_commit or 'unknown')[:12]}{clean}."
    )


@contextmanager
def _locked() -> Iterator[None]:
    """Keep this user's other processes on this machine from deciding at the same time; a registry has no lock."""
    name = hashlib.sha256(registry_uri().encode()).hexdigest()[:16]
    with locked(Path(tempfile.gettempdir()) / f"chest_cancer_registry_{os.getuid()}_{name}.lock"):
        yield
