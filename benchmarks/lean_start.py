"""What is imported at the start, by `python -X importtime`."""

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median

from benchmarks.project import ROOT, Project

STARTS = {
    "`kedro run --pipelines data_ingestion`": ["-m", "kedro", "run", "--env", "test", "--pipelines", "data_ingestion"],
    "the app": ["-c", "import app; app.create_app"],
    "the classifier": ["-c", "import chest_cancer.network.classifier"],
}


def measure(work: Path, rounds: int) -> str:
    """Measure each start, and say what took longest."""
    project = Project(work / "project")
    lines = ["| start | imports, s | modules | most of it | TensorFlow |", "| --- | --- | --- | --- | --- |"]
    for name, command in STARTS.items():
        folder = project.folder if "kedro" in command else ROOT
        _imports(command, folder)
        runs = [_imports(command, folder) for _ in range(rounds)]
        packages = runs[-1]
        largest = sorted(packages, key=lambda package: -packages[package][0])[:5]
        words = ", ".join(f"{package} {packages[package][0]:.2f}" for package in largest)
        seconds = median(sum(taken for taken, _ in run.values()) for run in runs)
        modules = sum(count for _, count in packages.values())
        tensorflow = "yes" if "tensorflow" in packages else "no"
        lines.append(f"| {name} | {seconds:.2f} | {modules} | {words} | {tensorflow} |")
    return "\n".join(lines)


def _imports(command: list[str], folder: Path) -> dict[str, tuple[float, int]]:
    """Seconds of a package's own modules, and how many there are."""
    result = subprocess.run(
        [sys.executable, "-X", "importtime", *command], cwd=folder, capture_output=True, text=True, check=True
    )
    seconds: dict[str, float] = defaultdict(float)
    modules: dict[str, int] = defaultdict(int)
    for own, module in re.findall(r"import time:\s+(\d+) \|\s+\d+ \| +(\S+)", result.stderr):
        package = module.split(".")[0]
        seconds[package] += int(own) / 1e6
        modules[package] += 1
    return {package: (taken, modules[package]) for package, taken in seconds.items()}
