"""Where the experiment record is kept: in a database of the project, and on the server that the environment names.

A run is always recorded in the project first. A server gets a copy at the end, so nothing is lost if it fails
meanwhile: `kedro record send` sends later what could not be sent.
"""

import getpass
import logging
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dotenv import load_dotenv

from chest_cancer.record.machine import describe_machine
from chest_cancer.record.provenance import SERVER_RUN_TAG, dvc_process, read_provenance
from chest_cancer.storage.project import project_path

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

logger = logging.getLogger(__name__)

EXPERIMENT = "chest_cancer"
NOTE_TAG = "mlflow.note.content"
"""Tag of a run, and of an experiment: the description that MLflow shows, in Markdown."""
# By the first one MLflow's page knows that it is about training, where it does not ask the browser instead.
_EXPERIMENT_TAGS = {
    "mlflow.experimentKind": "custom_model_development",
    NOTE_TAG: "VGG16 classifiers of chest CT slices. For research only: not a medical device.",
}
MODEL_FOLDER = "model"
"""The classifier among the artifacts of a run."""

_SERVER_SCHEMES = {"http", "https"}
# A server that fails is tried for seconds, not for minutes: the record is kept here and can be sent later.
_MLFLOW = {
    # Its page: processes that wait for jobs of language models, which nobody here has, and one process that answers.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_WORKERS": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}
# For the first requests alone: MLflow would wait two minutes for each answer, seven times. A server on a machine with
# much other work may take seconds.
_BRIEF = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}

SERVER_TAG = "server"
"""Tag of a run that a server is to get: its address."""
SENT_TAG = "server_has_it"
"""Tag of such a run: `yes` or `no`."""
PLACE_TAG = "place"
"""Tag of a run: the machine and the folder that it runs in. It stays here."""
DVC_TAG = "dvc_process"
"""Tag of a run that holds all stages of one `dvc repro`: its process. It stays here."""
PARENT_TAG = "mlflow.parentRunId"
"""Tag of a run inside another one, by which MLflow's page nests them: the other's id."""


def prepare_mlflow() -> None:
    """Read `.env`, and set what MLflow reads on import; variables that are set already are kept."""
    load_dotenv(project_path() / ".env")
    for name, value in _MLFLOW.items():
        os.environ.setdefault(name, value)


def server() -> str | None:
    """Return the address of the tracking server, `MLFLOW_TRACKING_URI`; None where the record stays here."""
    # MLflow puts the local database into the first variable and what `registry_uri` returned into the second.
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        uri = os.environ.get(name, "")
        if urlsplit(uri).scheme in _SERVER_SCHEMES:
            return uri
    return None


def tracking_uri() -> str:
    """Say where runs are recorded.

    Returns:
        A SQLite file in the project's folder, or the database that `MLFLOW_TRACKING_URI` names if that is no server.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    return uri if uri and urlsplit(uri).scheme not in _SERVER_SCHEMES else f"sqlite:///{project_path() / 'mlflow.db'}"


def registry_uri() -> str:
    """Say where models are registered: on the server, or else where runs are recorded."""
    return server() or tracking_uri()


def artifact_location() -> str | None:
    """Say where artifacts go.

    Returns:
        A folder beside `mlflow.db`; None where `MLFLOW_TRACKING_URI` names a database, which knows its own.
    """
    own = tracking_uri() == f"sqlite:///{project_path() / 'mlflow.db'}"
    return str(project_path() / "mlartifacts") if own else None


def speed_up_sqlite() -> None:
    """Let SQLite write ahead and not wait for the disk after every statement.

    A process that is killed loses nothing. A machine that loses power may lose the last moments; the file stays whole.
    Creating the database takes a third of the time, and two runs at once wait less for each other.
    """
    from sqlalchemy import Engine, event

    if not event.contains(Engine, "connect", _write_ahead):
        event.listen(Engine, "connect", _write_ahead)


def _write_ahead(connection: Any, _record: object) -> None:
    if type(connection).__module__.startswith("sqlite3"):
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")


def open_run(name: str) -> str:
    """Open a run, here and on the server if there is one. A server that can't be used is noticed within 15 s.

    The stages of one `dvc repro` share a run: a later one opens it again.

    Args:
        name: Name of the run.

    Returns:
        Id of the run here. MLflow's own `start_run` would import IPython and git to look for a source.

    Raises:
        ConnectionError: The server does not answer, or refuses the credentials.
    """
    process = dvc_process()
    if process and (found := _find_run_of(process)):
        _open_again(found)
        return str(found.info.run_id)
    source = read_provenance(project_path())
    tags = {
        "mlflow.source.name": "kedro run",
        "mlflow.source.type": "PROJECT",
        "mlflow.user": getpass.getuser(),
        "mlflow.source.git.commit": source["git_commit"],
        "git_clean": source["git_clean"],
        "code_version": source["code_version"],
    }
    tags = {key: str(value) for key, value in tags.items() if value is not None}
    if uri := server():
        with reaching_server(), briefly():
            run = _create_run(connect(uri), name, tags)
        tags |= {SERVER_TAG: without_credentials(uri), SERVER_RUN_TAG: run, SENT_TAG: "no"}
    here = connect(tracking_uri())
    tags[PLACE_TAG] = place()
    if process:
        tags[DVC_TAG] = process
    run = _create_run(here, name, tags)
    here.log_dict(run, describe_machine(), "environment.json")
    return run


def place() -> str:
    """Name this machine and this project's folder."""
    return f"{platform.node()}:{project_path()}"


def runs_here(where: str) -> "list[Run]":
    """Find runs of this project's folder on this machine in the record here, the last first.

    Args:
        where: What else must hold, in MLflow's language.
    """
    client = connect(tracking_uri())
    experiment = client.get_experiment_by_name(EXPERIMENT)
    found = client.search_runs([experiment.experiment_id], where) if experiment else []
    return [run for run in found if run.data.tags.get(PLACE_TAG) == place()]


def _find_run_of(process: str) -> "Run | None":
    """Find the run of the stages before; one that did not end well is over."""
    found = runs_here(f"tags.{DVC_TAG} = '{process}' and attributes.status = 'FINISHED'")
    return found[0] if found else None


def _open_again(run: "Run") -> None:
    if (there := run.data.tags.get(SERVER_RUN_TAG)) and (uri := server()):
        with reaching_server(), briefly():
            connect(uri).update_run(there, status="RUNNING")
        connect(tracking_uri()).set_tag(run.info.run_id, SENT_TAG, "no")


def connect(uri: str) -> "MlflowClient":
    """Return a client of the store or server at `uri`, for runs and for models."""
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def run_on(uri: str, run_id: str) -> Any:
    """Return a run as the store at `uri` knows it.

    Args:
        uri: `tracking_uri()` or `registry_uri()`.
        run_id: Id of the run here.
    """
    run = connect(tracking_uri()).get_run(run_id)
    return run if uri == tracking_uri() else connect(uri).get_run(run.data.tags[SERVER_RUN_TAG])


def local_artifacts(run_id: str) -> Path:
    """Return the folder of a run's artifacts here."""
    from mlflow.artifacts import download_artifacts

    return Path(download_artifacts(run_id=run_id, tracking_uri=tracking_uri()))


def _create_run(client: "MlflowClient", name: str, tags: dict[str, str]) -> str:
    experiment = client.get_experiment_by_name(EXPERIMENT)
    number = experiment.experiment_id if experiment else client.create_experiment(EXPERIMENT)
    known = experiment.tags if experiment else {}
    for key, value in _EXPERIMENT_TAGS.items():
        if key not in known:
            client.set_experiment_tag(number, key, value)
    return str(client.create_run(number, run_name=name, tags=tags).info.run_id)


def without_credentials(uri: str) -> str:
    """Return the address of a server or database without the credentials that it may hold."""
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


@contextmanager
def briefly() -> Iterator[None]:
    """Ask a server with short timeouts: whether it answers at all is known within seconds."""
    before = {name: os.environ.get(name) for name in _BRIEF}
    os.environ.update(_BRIEF)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@contextmanager
def reaching_server() -> Iterator[None]:
    """Turn MLflow's errors about a server into one that names cause and cure; without a server do nothing.

    Raises:
        ConnectionError: The server does not answer, or refuses the credentials.
    """
    from mlflow.exceptions import MlflowException

    uri = server()
    if uri is None:
        yield
        return
    name = f"The MLflow server at {without_credentials(uri)}"
    cure = "correct MLFLOW_TRACKING_URI, or unset it to keep the record in mlflow.db."
    try:
        yield
    except MlflowException as error:
        cause = _innermost(error)
        if isinstance(cause, OSError):
            raise ConnectionError(f"{name} does not answer: {cause}. Start it, {cure}") from error
        if error.error_code in {"UNAUTHENTICATED", "PERMISSION_DENIED"} or " 401 " in str(error):
            raise ConnectionError(
                f"{name} refuses the credentials. Correct MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD "
                f"(exported, or in .env), {cure}"
            ) from error
        raise ConnectionError(f"{name} can't be used: {error.message}. Repair it, {cure}") from error


def _innermost(error: BaseException) -> BaseException:
    """The error behind an error: MLflow wraps what the network reports four times."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return error
