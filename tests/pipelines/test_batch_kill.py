"""A batch that is killed, and one whose file ends the process that reads it: real processes."""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pandas as pd
import psutil
import pytest
from PIL import Image

import batch_run
from chest_cancer.network.mapping import map_images
from chest_cancer.network.processes import Processes
from chest_cancer.storage.place import Place
from chest_cancer.storage.table_parts import TableParts
from conftest import PROJECT, Pixels
from ending_reader import ENDS_AT, EndingReader

FILES = 160
PATHS = [str(PROJECT / name) for name in ("src", "tests", ".")]
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(PATHS)}


def start(source: Path, work: Path) -> subprocess.Popen[str]:
    command = [sys.executable, batch_run.__file__, str(source), str(work)]
    return subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)


def kill_when(condition: Callable[[], bool], process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Kill a process as soon as something is so, and say which processes it had begun."""
    while not condition():
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
        assert process.poll() is None, process.communicate()[1]
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return children


def test_a_batch_that_is_killed_goes_on_where_it_was(
    tmp_path: Path, picture: Callable[..., Pixels], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    source, folder = tmp_path / "source", tmp_path / "predictions"
    parts = TableParts(Place.of(str(folder)))
    source.mkdir()
    for number in range(FILES):
        Image.fromarray(picture(number, 48, 40)).save(source / f"{number:03}.png")

    children = kill_when(lambda: len(parts) >= 3, start(source, tmp_path))
    made = {path: path.stat().st_mtime_ns for path in folder.glob("*.parquet")}
    batch_run.make_table(source, tmp_path)

    assert psutil.wait_procs(children, timeout=30)[1] == []  # nothing is left that would go on reading
    assert f"{len(made)} of 16 parts are there, {16 - len(made)} are made now." in caplog.messages
    assert {path: path.stat().st_mtime_ns for path in made} == made
    table = pd.read_parquet(folder)
    assert sorted(table["path"]) == sorted(path.name for path in source.iterdir())
    assert table["label"].notna().all()


def test_a_file_that_ends_its_process_costs_its_own_row() -> None:
    def compute(batches: Iterable[Pixels]) -> Iterator[list[int]]:
        return (batch[:, 0, 0, 0].tolist() for batch in batches)

    pool = partial(Processes, preload="ending_reader")
    rows = list(map_images([range(9)], EndingReader(), compute, pool, batch=4, read_ahead=2))

    assert rows == [(row, [(-row, None)] if row == ENDS_AT else [(row, row)]) for row in range(9)]
