"""The tools of `make .venv/ship/installed`, each a command."""

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
