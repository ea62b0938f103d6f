"""Where the project lies."""

import os
from pathlib import Path

from kedro.utils import find_kedro_project


def project_path() -> Path:
    """Folder of the project that the working directory is in."""
    return find_kedro_project(Path.cwd()) or Path.cwd()


def require_writable(path: Path, holds: str) -> None:
    """Refuse to begin where nothing can be written: others would wait for minutes, or say less.

    Args:
        path: File or folder that is written; made later, if it is missing.
        holds: What is kept there, for whoever is refused.

    Raises:
        PermissionError: This user can't write it, or nobody can, on this disk.
    """
    nearest = next(each for each in (path, *path.parents) if each.exists())
    if not os.access(nearest, os.W_OK | (os.X_OK if nearest.is_dir() else 0)):
        user = f"{os.getuid()}:{os.getgid()}"
        raise PermissionError(
            f"{nearest} can't be written by this user, {user}: {holds} lie there. Give it to this user, by "
            f"`chown -R {user}`, in a container the folder behind the volume; a disk, or a container's root, that is "
            "read-only will not do."
        )
