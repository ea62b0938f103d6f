"""The workflows, as far as tests need them."""

from typing import Any

import yaml

from conftest import PROJECT

FOLDER = PROJECT / ".github/workflows"
FILES = sorted(FOLDER.glob("*.yml"))


def steps() -> dict[str, str]:
    """What each shell step runs, by its name."""
    jobs: list[dict[str, Any]] = [job for file in FILES for job in yaml.safe_load(file.read_text())["jobs"].values()]
    return {step["name"]: step["run"].strip() for job in jobs for step in job.get("steps", ()) if "run" in step}
