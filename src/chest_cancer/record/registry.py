"""The model registry: versions of the classifier, of which the alias `champion` names the one to serve.

Each line of champions (see `champion.Line`) has an alias for the one that leads it; what is served leads its own.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from chest_cancer.network.manifest import Manifest
from chest_cancer.parameters.sources import source_name
from chest_cancer.record.champion import Decision, Line
from chest_cancer.record.tracking import MODEL_FOLDER, connect, reaching_server, registry_uri, run_on
from chest_cancer.storage.recoverable_folder import locked

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

MODEL = "VGG16Model"
CHAMPION = "champion"
CHALLENGER = "challenger"

_DIGEST_TAG = "manifest_sha256"
FORMER_TAG = "former_champion"
"""Tag of a version: which one was served before it, and is again after a roll-back."""
PROMOTED_TAG = "promoted"
"""Tag of a version: when it last became the one to serve, ISO 8601 in UTC."""
# Without a model, and with a model without this alias.
_MISSING = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}


class Submitted(NamedTuple):
    """What came of submitting a model.

    Attributes:
        version: Its number.
        is_champion: Whether it is the one to serve.
        reason: Why, or why not; in the latter case with the command that serves it all the same.
        is_asked_for: Whether somebody said that it may take the place of a model that it can't be compared with.
    """

    version: str
    is_champion: bool
    reason: str
    is_asked_for: bool = False


class ChampionChangedError(RuntimeError):
    """Another run has made its model champion since this one was compared."""


def champion(alias: str = CHAMPION) -> "ModelVersion | None":
    """Return a version that is champion, or None.

    Args:
        alias: Of which line; by default the one to serve, whatever its line.

    Raises:
        ConnectionError: The server can't be used.
    """
    from mlflow.exceptions import MlflowException

    with reaching_server():
        try:
            return connect(registry_uri()).get_model_version_by_alias(MODEL, alias)
        except MlflowException as error:
            if error.error_code in _MISSING:
                return None
            raise


def submit(run_id: str, manifest: bytes, decision: Decision) -> Submitted:
    """Register the model that a run has recorded, and give the aliases as the gate decided.

    Args:
        run_id: Its id here; its artifacts hold the model, unless it is registered already.
        manifest: The file of the classifier.
        decision: What came of comparing it with the champion of its line.

    Returns:
        Its version, and what was decided.

    Raises:
        ChampionChangedError: Another model has become champion since. The version was made; no alias was set.
        ConnectionError: The server can't be used.
    """
    client, facts = connect(registry_uri()), Manifest.read(manifest)
    line = Line.of(facts)
    with reaching_server(), _locked():
        version = find_version(digest_of(manifest)) or _create(client, run_id, manifest)
        number, current, leader = str(version.version), champion(), champion(line.alias)
        if (number_of(leader), number_of(current)) != (decision["champion"], decision["served"]):
            raise ChampionChangedError(
                f"Champion of {MODEL} is now {_name(leader)}, and {_name(current)} is served; this model was compared "
                f"with {decision['champion'] or 'none'}, and {decision['served'] or 'none'} was served."
            )
        reason, is_champion = decision["reason"], decision["promoted"] or number == number_of(current)
        if not is_champion:
            reason = f"{reason} To serve it all the same: `kedro record promote {number}`."
        if number != number_of(leader):
            client.update_model_version(MODEL, number, _describe(reason, facts))
            client.set_registered_model_alias(MODEL, CHALLENGER, number)
        if decision["leads"]:
            client.set_registered_model_alias(MODEL, line.alias, number)
        if decision["promoted"]:
            _crown(client, number, current)
    return Submitted(number, is_champion, reason, is_asked_for="replaces" in decision)


def submit_undecided(run_id: str, manifest: bytes) -> Submitted:
    """Register a model whose comparison is out of date, as challenger.

    Args:
        run_id: Id of the run here.
        manifest: Content of the classifier's `manifest.json`.

    Returns:
        Its version, and why it is not promoted.
    """
    leader, current = champion(Line.of(Manifest.read(manifest)).alias), champion()
    reason = (
        f"Not compared with {_name(leader)}, which has become champion since. "
        "`kedro run --pipelines model_evaluation` compares again."
    )
    decision = Decision(
        promoted=False, leads=False, reason=reason, champion=number_of(leader), served=number_of(current)
    )
    return submit(run_id, manifest, decision)


def promote(version: str) -> None:
    """Make a version champion of its line, and the one to serve, by hand, whatever the gate said.

    Raises:
        ValueError: There is no such version.
    """
    client = connect(registry_uri())
    with reaching_server(), _locked():
        require_version(version)
        current = champion()
        if number_of(current) != version:
            _crown(client, version, current)
            _note(client, version, "Made champion by hand")


def former_champion(expected: str | None = None) -> tuple[str, str]:
    """Return the version that is champion, and the one that was before it.

    Args:
        expected: Which one has to be champion; None: whichever is.

    Raises:
        ValueError: There is no champion, there was none before it, or another one is champion than expected.
    """
    current = champion()
    if current is None:
        raise ValueError(f"No version of {MODEL} is champion. Train one with `kedro run`.")
    if expected not in (None, number_of(current)):
        raise ValueError(
            f"Nothing was rolled back: expected version {expected} of {MODEL} to be champion. Received: "
            f"{_name(current)}, which took its place meanwhile. Look at what is served now, and roll back from that."
        )
    former = current.tags.get(FORMER_TAG)
    if former is None:
        raise ValueError(f"{MODEL} {_name(current)} is the first champion: there was none before it to go back to.")
    return str(current.version), former


def roll_back(expected: str | None = None) -> tuple[str, str]:
    """Make the former champion champion again.

    Args:
        expected: As for `former_champion`.

    Returns:
        The version that was champion, and the one that is champion now.

    Raises:
        ValueError: As `former_champion` has it.
    """
    client = connect(registry_uri())
    with reaching_server(), _locked():
        current, former = former_champion(expected)
        _serve(client, former)
        _note(client, current, "Rolled back")
        _note(client, former, "Champion again")
    return current, former


def require_version(version: str) -> None:
    """Raise ValueError where the registry has no such version."""
    from mlflow.exceptions import MlflowException

    with reaching_server():
        try:
            connect(registry_uri()).get_model_version(MODEL, version)
        except MlflowException as error:
            if error.error_code not in _MISSING:
                raise
            raise ValueError(f"{MODEL} has no version {version}. `make mlflow` shows its versions.") from error


def _crown(client: "MlflowClient", version: str, current: "ModelVersion | None") -> None:
    if current is not None:
        client.set_model_version_tag(MODEL, version, FORMER_TAG, number_of(current))
    _serve(client, version)
    client.delete_registered_model_alias(MODEL, CHALLENGER)


def _serve(client: "MlflowClient", version: str) -> None:
    client.set_model_version_tag(MODEL, version, PROMOTED_TAG, datetime.now(UTC).isoformat(timespec="seconds"))
    client.set_registered_model_alias(MODEL, CHAMPION, version)
    if line := Line.read(client.get_model_version(MODEL, version).tags):
        client.set_registered_model_alias(MODEL, line.alias, version)


def _note(client: "MlflowClient", version: str, event: str) -> None:
    before = client.get_model_version(MODEL, version).description
    today = datetime.now(UTC).date().isoformat()
    client.update_model_version(MODEL, version, f"{before}\n\n{event} on {today}.")


def number_of(version: "ModelVersion | None") -> str | None:
    """Its number as text, which stores differ in; None for none."""
    return None if version is None else str(version.version)


def _name(version: "ModelVersion | None") -> str:
    return "none" if version is None else f"version {version.version}"


def digest_of(manifest: bytes) -> str:
    """SHA-256 of a manifest's file, by which a version is known."""
    return hashlib.sha256(manifest).hexdigest()


def find_version(digest: str) -> "ModelVersion | None":
    """Find the version whose manifest has this SHA-256."""
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
        _DIGEST_TAG: digest_of(manifest),
        "training_run_id": facts.provenance.mlflow_run_id,
        "git_commit": facts.provenance.git_commit,
        "data_digest": facts.data.digest,
        "split_digest": facts.split_digest,
        **Line.of(facts).tags,
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
        f"{reason}\n\nTrained on {source_name(data.location)} (digest {data.digest[:12]}) by run "
        f"{provenance.mlflow_run_id}, commit {(provenance.git_commit or 'unknown')[:12]}{clean}."
    )


@contextmanager
def _locked() -> Iterator[None]:
    """Keep this user's other processes on this machine from deciding at the same time; a registry has no lock."""
    name = hashlib.sha256(registry_uri().encode()).hexdigest()[:16]
    with locked(Path(tempfile.gettempdir()) / f"chest_cancer_registry_{os.getuid()}_{name}.lock"):
        yield
