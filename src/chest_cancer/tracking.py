"""Where the experiment record is kept: beside the project, or on the server that the environment names."""

import getpass
import os
import socket
from typing import Any
from urllib.parse import urlsplit

from chest_cancer.environment import project_path

_PORTS = {"http": 80, "https": 443}
_TIMEOUT_SECONDS = 5.0


def tracking_uri() -> str:
    """Say where MLflow keeps its record.

    Returns:
        `MLFLOW_TRACKING_URI` where it is set, else a SQLite file in the project's folder.

    Raises:
        ConnectionError: The server does not answer. MLflow itself would try for four minutes.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    if not uri:
        return f"sqlite:///{project_path() / 'mlflow.db'}"
    server = urlsplit(uri)
    if server.scheme in _PORTS:
        try:
            address = server.hostname or "", server.port or _PORTS[server.scheme]
            socket.create_connection(address, timeout=_TIMEOUT_SECONDS).close()
        except OSError as error:
            raise ConnectionError(
                f"The MLflow server at {server.scheme}://{server.hostname} does not answer: {error}. Start it, correct "
                "MLFLOW_TRACKING_URI, or unset it to keep the record in mlflow.db."
            ) from error
    return uri


def artifact_location() -> str | None:
    """Say where artifacts go.

    Returns:
        A folder beside `mlflow.db`, or None: the server decides.
    """
    return None if os.environ.get("MLFLOW_TRACKING_URI") else str(project_path() / "mlartifacts")


def speed_up_sqlite() -> None:
    """Let SQLite write ahead and not wait for the disk after every statement.

    A process that is killed loses nothing; a machine that loses power may lose the last moments, and keeps a whole
    file. Creating the database takes a third of the time, and two runs at once wait less for each other.
    """
    from sqlalchemy import Engine, event

    if not event.contains(Engine, "connect", _write_ahead):
        event.listen(Engine, "connect", _write_ahead)


def _write_ahead(connection: Any, _record: object) -> None:
    if type(connection).__module__.startswith("sqlite3"):
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")


def start_run(experiment: str, name: str) -> str:
    """Open a run in the record.

    Args:
        experiment: Name of the experiment, which exists.
        name: Of the run.

    Returns:
        Its id. MLflow's own `start_run` would import IPython and git to look for a source.
    """
    from mlflow import MlflowClient

    client = MlflowClient()
    found = client.get_experiment_by_name(experiment)
    if found is None:
        raise LookupError(f"No experiment {experiment} in the record.")
    tags = {"mlflow.source.name": "kedro run", "mlflow.source.type": "PROJECT", "mlflow.user": getpass.getuser()}
    return str(client.create_run(found.experiment_id, run_name=name, tags=tags).info.run_id)
