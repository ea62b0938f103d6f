"""The machine that a run is made on."""

import os
import platform
import re
import tomllib
from importlib import metadata
from itertools import chain
from pathlib import Path
from typing import Any

from chest_cancer.storage.project import project_path


def describe_machine() -> dict[str, Any]:
    """Describe this machine: Python, processor, cores, and the versions of the project's direct dependencies."""
    project = tomllib.loads((project_path() / "pyproject.toml").read_text())["project"]
    requirements = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    names = {re.split(r"[^\w.-]", requirement)[0] for requirement in requirements} - {project["name"]}
    installed = {name: version for name in sorted(names) if (version := _version(name))}
    model = re.search(r"^model name\s*:\s*(.+)$", _read("/proc/cpuinfo"), re.MULTILINE)
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": model.group(1) if model else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "packages": installed,
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # for another platform
        return None


def _read(path: str) -> str:
    file = Path(path)
    return file.read_text(errors="replace") if file.is_file() else ""
