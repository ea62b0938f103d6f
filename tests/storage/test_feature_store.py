"""What is in the store is as it was computed, whatever happened to the processes that wrote it and to its files."""

import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kedro.io import DatasetError

from chest_cancer.datasets.feature_store import FeatureStoreDataset
from chest_cancer.datasets.mapped_arrays import MappedArraysDataset
from chest_cancer.storage.feature_store import FeatureStore, FeatureTable, RowKey
from properties import examples

IDENTITY = {"base": "b", "preprocessing": "p", "precision": "fp32"}
DAY = 86_400


def keys(*numbers: int) -> list[RowKey]:
    return [RowKey(f"{number:064x}") for number in numbers]


def expected(wanted: Sequence[RowKey]) -> np.ndarray:
    """A row that tells its key."""
    return np.array([[int(key.pixel_sha256, 16), len(key.view), 0.5, -1] for key in wanted], dtype=np.float32)


class Computer:
    """Computes rows, and remembers which."""

    def __init__(self, wanted: Sequence[RowKey], batch: int = 2) -> None:
        self.wanted, self.batch = wanted, batch
        self.computed: list[RowKey] = []

    def __call__(self, positions: list[int]) -> Iterator[dict[str, np.ndarray]]:
        for start in range(0, len(positions), self.batch):
            batch = [self.wanted[position] for position in positions[start : start + self.batch]]
            self.computed += batch
            yield {"embedding": expected(batch), "features": expected(batch).reshape(-1, 2, 1, 2)}


def ask(table: FeatureTable, wanted: Sequence[RowKey]) -> list[RowKey]:
    """Ask for rows, check that they are right, and tell which had to be computed."""
    computer = Computer(wanted)
    rows, computed = table.rows(wanted, computer)
    np.testing.assert_array_equal(rows["embedding"], expected(wanted))
    np.testing.assert_array_equal(rows["features"], expected(wanted).reshape(-1, 2, 1, 2))
    assert computed == len(computer.computed)
    return computer.computed


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStoreDataset(filepath=str(tmp_path / "store"), keep_days=30).load()


@pytest.fixture
def table(store: FeatureStore) -> FeatureTable:
    return store.table(**IDENTITY)


def test_a_row_is_computed_once(store: FeatureStore) -> None:
    assert ask(store.table(**IDENTITY), keys(*range(5))) == keys(*range(5))
    assert ask(store.table(**IDENTITY), keys(*range(5))) == []


def test_of_ten_added_images_ten_are_computed_and_the_order_asked_for_is_kept(table: FeatureTable) -> None:
    ask(table, keys(*range(600)))

    assert ask(table, keys(*range(609, -1, -1))) == keys(*range(609, 599, -1))
    assert ask(table, keys(604, 3, 500)) == []


def test_a_key_asked_for_twice_is_computed_once(table: FeatureTable) -> None:
    assert ask(table, keys(1, 2, 1, 1)) == keys(1, 2)


def test_a_view_is_another_row_than_its_image(table: FeatureTable) -> None:
    view = RowKey(keys(1)[0].pixel_sha256, "f" * 64)
    ask(table, keys(1))

    assert ask(table, [view, *keys(1)]) == [view]


@pytest.mark.parametrize("changed", [*IDENTITY, "one more"])
def test_another_way_of_computing_never_reuses_a_row(store: FeatureStore, changed: str) -> None:
    ask(store.table(**IDENTITY), keys(1, 2))

    assert ask(store.table(**IDENTITY | {changed: "another"}), keys(1, 2)) == keys(1, 2)
    assert ask(store.table(**IDENTITY), keys(1, 2)) == []


def test_the_folder_says_what_it_was_computed_from(table: FeatureTable) -> None:
    assert json.loads((table.folder / "identity.json").read_text()) == IDENTITY


def test_rows_are_read_by_slice_number_and_list(table: FeatureTable) -> None:
    rows = table.rows(keys(*range(6)), Computer(keys(*range(6))))[0]["features"]

    whole = np.asarray(rows)
    assert rows.shape == whole.shape == (6, 2, 1, 2)
    assert len(rows) == 6
    assert rows.dtype == np.float32
    for index in (slice(1, 4), slice(None, None, -2), 3, -1, np.array([5, 0, 0]), slice(0, 0)):
        np.testing.assert_array_equal(rows[index], whole[index])


def test_large_rows_are_never_all_in_memory(table: FeatureTable, tmp_path: Path) -> None:
    megabyte = 2**20
    wanted = keys(*range(128))

    def compute(positions: list[int]) -> Iterator[dict[str, np.ndarray]]:
        for position in positions:
            yield {"features": np.full((1, megabyte // 4), position, dtype=np.float32)}

    tracemalloc.start()
    rows, _ = table.rows(wanted, compute)
    dataset = MappedArraysDataset(filepath=str(tmp_path / "features"))
    dataset.save(rows)
    loaded = dataset.load()["features"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert loaded.shape == (128, megabyte // 4)
    assert loaded[:, -1].tolist() == list(range(128))
    assert peak < 110 * megabyte  # one file of 32 MB, its parts and its copy


def test_rows_of_before_an_error_are_kept(table: FeatureTable) -> None:
    wanted = keys(*range(300))

    def fail_late(positions: list[int]) -> Iterator[dict[str, np.ndarray]]:
        yield from Computer(wanted, 100)(positions[:260])
        raise OSError("the disk went away")

    with pytest.raises(OSError, match="the disk went away"):
        table.rows(wanted, fail_late)

    assert ask(table, wanted) == keys(*range(260, 300))


@pytest.mark.parametrize(("given", "message"), [(1, "Too few rows.*2 are missing"), (5, "Too many rows.*expected 3")])
def test_another_number_of_rows_than_asked_for_is_refused(table: FeatureTable, given: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        table.rows(keys(1, 2, 3), lambda positions: [{"embedding": np.zeros((given, 4), dtype=np.float32)}])

    assert ask(table, keys(9)) == keys(9)


@examples(25, 200)
@given(data=st.data())
def test_a_changed_byte_anywhere_is_computed_again_and_never_trusted(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    table = FeatureStore(tmp_path_factory.mktemp("store"), 30).table(**IDENTITY)
    ask(table, keys(1, 2, 3))
    (path,) = table.folder.glob("*.npy")
    content = bytearray(path.read_bytes())
    # Every second example in the header, which is a quarter of the file.
    offset = data.draw(st.integers(0, 255) | st.integers(0, len(content) - 1))
    content[offset] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)

    ask(table, keys(1, 2, 3))


@examples(15, 100)
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_file_that_is_cut_short_is_removed_and_computed_again(
    tmp_path_factory: pytest.TempPathFactory, share: float
) -> None:
    table = FeatureStore(tmp_path_factory.mktemp("store"), 30).table(**IDENTITY)
    ask(table, keys(1, 2, 3))
    (path,) = table.folder.glob("*.npy")
    os.truncate(path, int(path.stat().st_size * share))

    assert ask(table, keys(1, 2, 3)) == keys(1, 2, 3)
    assert not path.exists()
    assert ask(table, keys(1, 2, 3)) == []


# Computes rows of 1 MB, 32 to a file, and says so: who reads what it says can end it in the middle of a write.
WRITER = """
import sys
from pathlib import Path
import numpy as np
from chest_cancer.storage.feature_store import FeatureStore, RowKey

root, first, last = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])

def compute(positions):
    for position in positions:
        print(first + position, flush=True)
        yield {"features": np.full((1, 2**18), first + position, dtype=np.float32)}

table = FeatureStore(root, 30).table(base="b")
table.rows([RowKey(f"{number:064x}") for number in range(first, last)], compute)
"""


def start_writer(root: Path, first: int, last: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(root), str(first), str(last)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def check_rows(root: Path, count: int) -> list[int]:
    """Ask for every row, check that it is right, and tell which had to be computed."""
    computed: list[int] = []

    def compute(positions: list[int]) -> Iterator[dict[str, np.ndarray]]:
        for position in positions:
            computed.append(position)
            yield {"features": np.full((1, 2**18), position, dtype=np.float32)}

    rows = FeatureStore(root, 30).table(base="b").rows(keys(*range(count)), compute)[0]["features"]
    for number in range(count):
        assert (rows[number] == number).all()
    return computed


@pytest.mark.parametrize("row", [5, 63])
def test_a_process_that_is_killed_loses_only_what_it_had_not_written(tmp_path: Path, row: int) -> None:
    with start_writer(tmp_path, 0, 96) as writer:
        for line in writer.stdout:
            if int(line) == row:
                # Row 63 completes a file: the process dies while it writes that one, or a little later.
                os.kill(writer.pid, signal.SIGKILL)
                break
    assert writer.returncode == -signal.SIGKILL

    computed = check_rows(tmp_path, 96)

    assert len(computed) in {5: [96], 63: [64, 32], 64: [32]}[row]
    assert check_rows(tmp_path, 96) == []


def test_two_processes_may_write_and_read_at_the_same_time(tmp_path: Path) -> None:
    with start_writer(tmp_path, 0, 70) as one, start_writer(tmp_path, 30, 100) as other:
        for writer in (one, other):
            writer.stdout.readline()
        check_rows(tmp_path, 40)
        for writer in (one, other):
            writer.communicate()

    assert (one.returncode, other.returncode) == (0, 0)
    assert check_rows(tmp_path, 100) == []


def age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_what_nobody_asked_for_in_a_month_is_removed_and_the_rest_stays(store: FeatureStore) -> None:
    tables = {name: store.table(base=name) for name in ("stale", "recent", "asked for")}
    for table in tables.values():
        ask(table, keys(1))
    age(tables["stale"].folder, 31 * DAY)
    age(tables["recent"].folder, 29 * DAY)
    age(tables["asked for"].folder, 31 * DAY)

    assert ask(store.table(base="asked for"), keys(1)) == []

    assert not tables["stale"].folder.exists()
    assert ask(store.table(base="recent"), keys(1)) == []


def test_what_a_killed_process_left_is_removed_and_what_is_being_written_is_not(table: FeatureTable) -> None:
    for name, seconds in {".left.npy.a": 2 * 3600, ".written.npy.b": 60}.items():
        (table.folder / name).mkdir()
        (table.folder / name / "half.npy").write_bytes(b"\x93NUMPY")
        age(table.folder / name, seconds)

    FeatureStore(table.folder.parent, 30).table(base="another")

    assert [path.name for path in table.folder.glob(".*")] == [".written.npy.b"]


def test_the_catalog_entry_is_always_there_and_can_not_be_saved(tmp_path: Path) -> None:
    dataset = FeatureStoreDataset(filepath=str(tmp_path / "store"), metadata={"layer": "feature"})

    assert dataset.exists()
    assert "store" in str(dataset)
    assert dataset.metadata == {"layer": "feature"}
    with pytest.raises(DatasetError, match="fills itself and can't be saved: expected no node with it as output"):
        dataset.save(dataset.load())
