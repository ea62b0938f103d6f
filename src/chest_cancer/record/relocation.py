"""A record that was copied or moved together with its project."""

import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from chest_cancer.record.tracking import EXPERIMENT, artifact_location
from chest_cancer.storage.project import project_path

logger = logging.getLogger(__name__)

_ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def follow_project() -> None:
    """Have `mlflow.db` name the folder of artifacts beside it.

    MLflow stores whole paths. Without this the runs of a copied project would put their artifacts into the original.
    A database that `MLFLOW_TRACKING_URI` names is left as it is.
    """
    folder, database = artifact_location(), project_path() / "mlflow.db"
    if folder is None or not database.is_file():
        return
    with closing(sqlite3.connect(database)) as connection, connection:
        columns = set(
            connection.execute(
                "SELECT one.name, its.name FROM sqlite_master AS one, pragma_table_info(one.name) AS its"
            )
        )
        if _ADDRESSES[0] not in columns:
            return
        found = connection.execute("SELECT artifact_location FROM experiments WHERE name = ?", [EXPERIMENT]).fetchone()
        if found is None or _path(found[0]) == folder:
            return
        before, after = found[0].rstrip("/"), Path(folder).as_uri()
        for table, column in _ADDRESSES:
            if (table, column) in columns:
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608  # names from the list above
                    f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                    [after, len(before) + 1, before, len(before) + 1, f"{before}/"],
                )
    logger.info("The record came with a copy or a move of the project: its artifacts are those in mlartifacts/ here.")


def _path(address: str) -> str:
    parts = urlsplit(address)
    return url2pathname(parts.path) if parts.scheme == "file" else address
