"""Where the project lies."""

from pathlib import Path

from kedro.utils import find_kedro_project


def project_path() -> Path:
    """Folder of the project that the working directory is in."""
    return find_kedro_project(Path.cwd()) or Path.cwd()
