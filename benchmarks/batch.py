"""Batch inference: how fast, in how much memory, and what is left after kills: tables of docs/benchmarks.md.

`python -m benchmarks.batch rate --slices 200`: images a second from files to rows beside OpenVINO's own benchmark of
the same graph, in turn. `memory` and `kills`: the whole command on 20,000 slices. `engines --slices 5000`: the whole
command here and in workers of a Ray cluster, one a core, in turn, and whether the rows are the same. With `--tiny` a
small graph stands in the place of the classifier's own, so that these take minutes.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

import pandas as pd
import psutil
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # it ships no types

from benchmarks import images
from benchmarks.project import BIN, Project
from benchmarks.rates import ceiling
from benchmarks.tiny import tiny_graph
from chest_cancer.network.classifier import Classifier
from chest_cancer.network.processes import processors

DRAWN = 400
"""Different phantoms; further files are links to them under other names."""
KILLS = 10
SAMPLED_EVERY_SECONDS = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batch", description=__doc__)
    parser.add_argument("what", choices=["rate", "memory", "kills", "engines"])
    parser.add_argument("--classifier", type=Path, default=Path("data/06_models/classifier"))
    parser.add_argument("--slices", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tiny", action="store_true", help="a small graph in the place of the classifier's own")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder) / "project")
        classifier = Classifier.load(arguments.classifier)
        if arguments.tiny:
            classifier = Classifier(tiny_graph(len(classifier.classes)), classifier.manifest, "fp32")
        project.data("06_models/classifier").mkdir(parents=True)
        classifier.save(project.data("06_models/classifier"))
        source = slices(Path(folder) / "slices", arguments.slices)
        if arguments.what == "rate":
            measure_rate(project, source, classifier.precision, arguments.rounds)
        elif arguments.what == "memory":
            measure_memory(project, source)
        elif arguments.what == "engines":
            compare_engines(project, source, arguments.slices, arguments.rounds)
        else:
            count_after_kills(project, source, arguments.slices)


def slices(folder: Path, count: int) -> Path:
    """A folder of phantoms."""
    drawn = sorted(images.phantoms(folder / "drawn", min(count, DRAWN)).folder.glob("*/*.png"))
    for number in range(count - len(drawn)):
        place = folder / "drawn" / f"ward_{number % 50:02d}" / f"{number:06d}.png"
        place.parent.mkdir(exist_ok=True)
        os.link(drawn[number % len(drawn)], place)
    return folder / "drawn"


def measure_rate(project: Project, source: Path, precision: str, rounds: int) -> None:
    """Images a second, in turn with the ceiling."""
    model = project.data("06_models/classifier/classifier.onnx")
    ours: list[float] = []
    ideal: list[float] = []
    for _ in range(rounds):
        ideal.append(ceiling(model, precision))
        for part in predictions(project).glob("*.parquet"):
            part.unlink()
        with start(project, source) as process:
            assert process.wait() == 0, project.log.read_text()[-3000:]
        events = progress(project)[1:]
        ours.append((events[-1]["done"] - events[0]["done"]) / (events[-1]["time"] - events[0]["time"]))
        print(f"benchmark_app {ideal[-1]:.2f}, files to rows {ours[-1]:.2f} images/s", flush=True)
    shares = [a / b for a, b in zip(ours, ideal, strict=True)]
    print("| | images/s | |\n| --- | --- | --- |")
    print(f"| `benchmark_app`, {precision} | {median(ideal):.1f} | |")
    print(f"| files to rows | {median(ours):.1f} | {median(shares):.2f} of the ceiling (wanted: 0.9) |")


def measure_memory(project: Project, source: Path) -> None:
    """Proportional resident memory of all processes of the run, by quarters of the images."""
    sampled: list[tuple[float, float]] = []
    with start(project, source) as process:
        for now, memory in samples(process):
            sampled.append((now, memory))
        assert process.returncode == 0, project.log.read_text()[-3000:]
    events = progress(project)[1:]
    total = events[-1]["of"]
    print("| quarter of the images | images/s | largest memory, MB |\n| --- | --- | --- |")
    for quarter in range(4):
        within = [event for event in events if quarter * total / 4 <= event["done"] <= (quarter + 1) * total / 4]
        first, last = within[0], within[-1]
        largest = max(memory for now, memory in sampled if first["time"] <= now <= last["time"])
        rate = (last["done"] - first["done"]) / (last["time"] - first["time"])
        print(f"| {quarter + 1} | {rate:.0f} | {largest:.0f} |")
    print(f"| whole run | | {max(memory for _, memory in sampled):.0f} |")


def count_after_kills(project: Project, source: Path, count: int) -> None:
    """Kill at random moments, and look at what the run after them leaves."""
    generator = random.Random(17)  # noqa: S311  # moments, no secrets
    made_twice = 0
    for number in range(KILLS):
        before = {path.name: path.stat().st_mtime_ns for path in predictions(project).glob("*.parquet")}
        with start(project, source) as process:
            moment = generator.uniform(0, 2 * count / KILLS)  # so that some kills come early, some late in a part
            wait_until(partial(_is_beyond, project, moment), process)
            process.kill()
        after = {path.name: path.stat().st_mtime_ns for path in predictions(project).glob("*.parquet")}
        again = sum(after.get(name) != changed for name, changed in before.items())
        made_twice += again
        print(f"kill {number + 1}: {len(after)} parts, {again} of those before made again", flush=True)
    with start(project, source) as process:
        assert process.wait() == 0, project.log.read_text()[-3000:]
    table = pd.read_parquet(predictions(project))
    print(
        f"after {KILLS} kills: {len(table)} rows of {count} files, {table['path'].nunique()} different, "
        f"{int(table['label'].isna().sum())} without an answer; {made_twice} whole parts made twice"
    )


def compare_engines(project: Project, source: Path, count: int, rounds: int) -> None:
    """Images a second of the whole command, its start included, and between its parts."""
    whole: dict[str, list[float]] = {"local": [], "ray": []}
    steady: dict[str, list[float]] = {"local": [], "ray": []}
    tables: dict[str, dict[str, bytes]] = {}
    for _ in range(rounds):
        for engine in whole:
            shutil.rmtree(predictions(project), ignore_errors=True)
            begun = time.perf_counter()
            with start(project, source, f"batch_inference.engine={engine}") as process:
                parts = part_times(process, predictions(project))
                assert process.returncode == 0, project.log.read_text()[-3000:]
            whole[engine].append(count / (time.perf_counter() - begun))
            rows = [pq.read_metadata(part).num_rows for part in parts]
            times = list(parts.values())
            at_once = processors()  # parts: before so many are there, more is begun than can be seen
            steady[engine].append(sum(rows[at_once:]) / (times[-1] - times[at_once - 1]))
            tables[engine] = {part.name: part.read_bytes() for part in parts}
            print(f"{engine} {whole[engine][-1]:.2f}, from part to part {steady[engine][-1]:.2f} images/s", flush=True)
    print("| engine | images/s, whole command | from part to part, later ones |\n| --- | --- | --- |")
    for engine in whole:
        print(f"| {engine} | {median(whole[engine]):.2f} | {median(steady[engine]):.2f} |")
    shares = [ray / local for ray, local in zip(whole["ray"], whole["local"], strict=True)]
    same = "the same" if tables["ray"].items() == tables["local"].items() else "NOT the same"
    print(f"ray at {median(shares):.2f} of local (wanted: 0.85); rows are {same} to the last byte")


def part_times(process: "subprocess.Popen[bytes]", folder: Path) -> dict[Path, float]:
    """When each part was there, in that order; waits for the process."""
    seen: dict[Path, float] = {}
    while process.poll() is None:
        time.sleep(0.05)
        new = {part: part.stat().st_mtime for part in folder.glob("*.parquet") if part not in seen}
        seen |= dict(sorted(new.items(), key=lambda pair: pair[1]))
    return seen


def predictions(project: Project) -> Path:
    return project.data("07_model_output/predictions")


def start(project: Project, source: Path, *parameters: str) -> "subprocess.Popen[bytes]":
    """`kedro run` of a batch, as a user would."""
    named = ",".join([f"batch_inference.source={source}", *parameters])
    (project.folder / "progress.jsonl").unlink(missing_ok=True)
    with project.log.open("ab") as log:
        return subprocess.Popen(
            [BIN / "kedro", "run", "--pipelines", "batch_inference", "--params", named],
            cwd=project.folder,
            stdout=log,
            stderr=log,
            env=os.environ | {"CHEST_CANCER_PROGRESS": str(project.folder / "progress.jsonl")},
        )


def progress(project: Project) -> list[dict[str, float]]:
    """What the run has reported of its images."""
    file = project.folder / "progress.jsonl"
    events = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return [{"done": 0}, *(event for event in events if event["event"] == "images")]


def samples(process: "subprocess.Popen[bytes]") -> Iterator[tuple[float, float]]:
    """Time, and MB of memory of a process and all that it began, until it ends."""
    root = psutil.Process(process.pid)
    while process.poll() is None:
        memory = 0.0
        for one in [root, *_children(root)]:
            try:
                memory += one.memory_full_info().pss / 2**20
            except psutil.Error:
                continue
        yield time.time(), memory
        time.sleep(SAMPLED_EVERY_SECONDS)


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _is_beyond(project: Project, moment: float) -> bool:
    return progress(project)[-1]["done"] > moment


def wait_until(condition: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    while not condition() and process.poll() is None:
        time.sleep(0.1)


if __name__ == "__main__":
    main()
