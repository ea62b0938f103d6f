"""The tools of `make .venv/ship/installed`, each a command, and the project as a fresh clone has it."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import PROJECT


@pytest.fixture(scope="session")
def tool() -> Callable[[str], Path]:
    """Finds a tool by its name."""

    def find(name: str) -> Path:
        path = PROJECT / ".venv/ship/bin" / name
        if not path.exists():
            raise FileNotFoundError(f"Expected {name} in .venv/ship/bin. Run `make ship-test`, which installs it.")
        return path

    return find


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as a fresh clone would have it, without models that happen to lie in this one."""
    folder = tmp_path_factory.mktemp("context")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout.split("\0"):
        if name and (PROJECT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def copy(context: Path) -> Path:
    """The same with this one's installed packages, to run commands in."""
    packages = context / ".venv"
    packages.mkdir()
    for path in (PROJECT / ".venv").iterdir():
        (packages / path.name).symlink_to(path)
    # make has nothing to install: it would put the copy into the packages, in the place of this project.
    for stamp in ("dev", "serve", "train"):
        (packages / stamp).unlink(missing_ok=True)
        (packages / stamp).touch()
    return context
