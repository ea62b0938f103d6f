"""Where the experiment record is kept: beside the project, or on the server that the environment names."""

import os
import socket
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
