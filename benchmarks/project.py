"""A project of its own to run in, so that no stored data or record of the user is touched."""

import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.processes import Cost, run

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent


class Project:
    """This code and configuration in a folder with no data.

    Attributes:
        folder: Its folder.
        log: What its commands print.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log.txt"
        folder.mkdir(parents=True)
        shutil.copytree(ROOT / "conf", folder / "conf", ignore=shutil.ignore_patterns("local"))
        (folder / "conf" / "local").mkdir()
        shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("*.egg-info"))
        for name in ("pyproject.toml", ".telemetry"):
            shutil.copy(ROOT / name, folder)

    def kedro_run(self, parameters: Mapping[str, object], *options: str) -> tuple[Cost, dict[str, float]]:
        """Run pipelines: what the whole command costs, and the seconds of each node."""
        pairs = ",".join(f"{name}={value}" for name, value in parameters.items())
        progress = self.folder / "progress.jsonl"
        progress.unlink(missing_ok=True)
        cost = run(
            [BIN / "kedro", "run", "--params", pairs, *options],
            self.log,
            self.folder,
            {"CHEST_CANCER_PROGRESS": str(progress)},
        )
        events = [json.loads(line) for line in progress.read_text().splitlines()]
        return cost, {event["node"]: event["seconds"] for event in events if event["event"] == "node_finished"}

    def forget_features(self) -> None:
        """Empty the feature store."""
        shutil.rmtree(self.folder / "data" / "04_feature", ignore_errors=True)

    def metrics(self) -> dict[str, dict[str, float]]:
        """Figures of the last run."""
        figures: dict[str, dict[str, float]] = json.loads(self.data("08_reporting/metrics.json").read_text())
        return figures

    def data(self, path: str) -> Path:
        """Path of a file below `data/`."""
        return self.folder / "data" / path


def machine() -> str:
    """This machine in words."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.split(": ")[1] for line in lines if line.startswith("model name")), "unknown processor")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return f"{os.cpu_count()} cores of {model}, {memory:.0f} GB, Python {sys.version.split()[0]}"
