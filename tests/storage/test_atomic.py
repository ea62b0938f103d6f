"""Writes are whole or absent, whatever ends them."""

import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from kedro.io import AbstractDataset, DatasetError
from kedro_datasets.json import JSONDataset
from kedro_datasets.pandas import CSVDataset, ParquetDataset
from kedro_datasets.plotly import JSONDataset as PlotlyDataset
from kedro_datasets.text import TextDataset

from chest_cancer.storage import atomic
from chest_cancer.storage.atomic import replace_file


class Unwritable:
    """A value that breaks a write after a good part of it is on the disk."""

    def __str__(self) -> str:
        raise RuntimeError("broken in the middle")


ROWS = 50_000
WRITES: dict[str, tuple[Callable[..., AbstractDataset], Any, Any]] = {
    "json": (JSONDataset, {"good": 1}, {"long": ["x"] * ROWS, "bad": Unwritable()}),
    "csv": (CSVDataset, pd.DataFrame({"a": ["1"]}), pd.DataFrame({"a": ["x"] * ROWS + [Unwritable()]})),
    "parquet": (ParquetDataset, pd.DataFrame({"a": ["1"]}), pd.DataFrame({"a": ["x"] * ROWS + [Unwritable()]})),
}
EVERY_FORMAT = tuple(WRITES)


@pytest.fixture(autouse=True)
def _installed() -> None:
    atomic.install()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "results"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


@pytest.mark.parametrize("kind", WRITES)
def test_a_write_that_ends_well_replaces_the_file_and_leaves_nothing_beside_it(folder: Path, kind: str) -> None:
    make, good, _ = WRITES[kind]
    dataset = make(filepath=str(folder / f"data.{kind}"))

    dataset.save(good)
    dataset.save(good)

    loaded = dataset.load()
    assert loaded == good if kind == "json" else loaded.astype(str).equals(good)
    assert list(contents(folder)) == [f"data.{kind}"]


@pytest.mark.parametrize("kind", EVERY_FORMAT)
def test_a_write_that_fails_leaves_the_file_of_before(folder: Path, kind: str) -> None:
    make, good, bad = WRITES[kind]
    dataset = make(filepath=str(folder / f"data.{kind}"))
    dataset.save(good)
    before = contents(folder)

    with pytest.raises(DatasetError, match="Failed while saving data"):
        dataset.save(bad)

    assert contents(folder) == before


@pytest.mark.parametrize("kind", EVERY_FORMAT)
def test_a_first_write_that_fails_leaves_no_file(folder: Path, kind: str) -> None:
    make, _, bad = WRITES[kind]

    with pytest.raises(DatasetError, match="Failed while saving data"):
        make(filepath=str(folder / f"data.{kind}")).save(bad)

    assert contents(folder) == {}


def test_plots_and_text_are_written_whole(folder: Path) -> None:
    figure = go.Figure(go.Scatter(x=[1, 2], y=[3, 4]))

    PlotlyDataset(filepath=str(folder / "plot.json")).save(figure)
    TextDataset(filepath=str(folder / "page.html")).save("<p>größer</p>")

    assert PlotlyDataset(filepath=str(folder / "plot.json")).load() == figure
    assert TextDataset(filepath=str(folder / "page.html")).load() == "<p>größer</p>"
    assert sorted(contents(folder)) == ["page.html", "plot.json"]


def test_a_process_killed_in_the_middle_of_a_write_leaves_the_file_of_before(folder: Path) -> None:
    dataset = JSONDataset(filepath=str(folder / "data.json"))
    dataset.save({"good": 1})
    code = f"""
import os, signal, sys
from pathlib import Path
from chest_cancer.storage import atomic
atomic.install()
from kedro_datasets.json import JSONDataset
class Deadly(dict):
    def items(self):
        yield "long", "x" * 1_000_000
        assert any(path.stat().st_size > 100_000 for path in Path({str(folder)!r}).iterdir())  # in the middle, truly
        os.kill(os.getpid(), signal.SIGKILL)
    def __len__(self):
        return 2
JSONDataset(filepath={str(folder / "data.json")!r}).save(Deadly())
"""

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert result.returncode == -signal.SIGKILL, result.stderr
    assert dataset.load() == {"good": 1}


def test_appending_and_reading_work_as_before(folder: Path) -> None:
    import fsspec

    dataset = TextDataset(filepath=str(folder / "log.txt"))
    dataset.save("one\n")
    with fsspec.open(f"file://{folder}/log.txt", "a") as file:
        file.write("two\n")

    assert dataset.load() == "one\ntwo\n"


def test_replace_file_makes_folders_and_takes_the_name_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "new" / "deep" / "file.bin"

    with replace_file(target) as temporary:
        temporary.write_bytes(b"whole")
        assert not target.exists()
        assert temporary.suffix == ".bin"

    assert contents(target.parent) == {"file.bin": b"whole"}


def test_replace_file_leaves_the_file_of_before_when_its_block_fails(tmp_path: Path) -> None:
    target = tmp_path / "file.bin"
    target.write_bytes(b"before")

    def write_half() -> None:
        with replace_file(target) as temporary:
            temporary.write_bytes(b"half")
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        write_half()

    assert contents(tmp_path) == {"file.bin": b"before"}


@pytest.mark.parametrize("kind", EVERY_FORMAT)
@pytest.mark.parametrize("rows", [400, ROWS])
def test_a_disk_that_is_full_leaves_the_file_of_before_and_nothing_that_takes_room(
    folder: Path, kind: str, rows: int
) -> None:
    make, good, _ = WRITES[kind]
    dataset = make(filepath=str(folder / f"data.{kind}"))
    dataset.save(good)
    before, random = contents(folder), np.random.default_rng(0)
    texts = [random.bytes(20).hex() for _ in range(rows)]
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(DatasetError, match="Failed while saving data"):
            dataset.save({"long": texts} if kind == "json" else pd.DataFrame({"a": texts}))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)

    assert contents(folder) == before
