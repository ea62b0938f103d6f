"""What the frozen base has computed, kept on disk and found by what it was computed from.

One folder for each way of computing (base, preprocessing, precision), in it files of some hundred rows. A file is a
NumPy structured array: image, view, checksum and the network's outputs. Files are only ever added, whole, and each
under a name of its own: any number of processes may read and write at once, and none can leave half a row behind. A
damaged row fails its checksum, and is computed again.
"""

import hashlib
import json
import logging
import shutil
import time
import uuid
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chest_cancer.storage.atomic import replace_file
from chest_cancer.storage.recoverable_folder import locked

logger = logging.getLogger(__name__)

Outputs = Mapping[str, NDArray[Any]]

_KEY_FIELDS = [("checksum", "<u4"), ("pixel_sha256", "|S64"), ("view", "|S64")]
_CHECKSUM_BYTES = 4
_ROWS_IN_A_FILE = 256
_BYTES_IN_A_FILE = 32 * 2**20
_SECONDS_IN_A_DAY = 86_400
_ABANDONED_AFTER_SECONDS = 3600


class RowKey(NamedTuple):
    """What a row shows.

    Attributes:
        pixel_sha256: SHA-256 of the decoded image.
        view: Hexadecimal digest of what was done to the image, at most 64 characters; empty for the image as it is.
    """

    pixel_sha256: str
    view: str = ""


class _Place(NamedTuple):
    path: Path
    row: int


class StoredRows:
    """One output of the network for some keys, [n, ...]; indexing it reads the rows from the store."""

    def __init__(self, name: str, places: Sequence[_Place], dtype: np.dtype[Any], row_shape: tuple[int, ...]) -> None:
        self._name = name
        self._places = places
        self.dtype = dtype
        self.shape = (len(places), *row_shape)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, rows: slice | int | NDArray[Any]) -> NDArray[Any]:
        """Read some rows, as NumPy's indexing of the first axis would."""
        positions = np.arange(len(self))[rows]
        gathered = np.empty((positions.size, *self.shape[1:]), self.dtype)
        by_file: dict[Path, list[tuple[int, int]]] = defaultdict(list)
        for target, position in enumerate(positions.ravel().tolist()):
            place = self._places[position]
            by_file[place.path].append((target, place.row))
        for path, pairs in by_file.items():
            targets, sources = map(list, zip(*pairs, strict=True))
            gathered[targets] = _open(path)[self._name][sources]
        return gathered.reshape(*positions.shape, *self.shape[1:])

    def __array__(self, dtype: np.dtype[Any] | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype=dtype)


@dataclass(frozen=True)
class FeatureTable:
    """Rows that were computed in one way.

    Attributes:
        folder: Holds its files.
    """

    folder: Path

    def rows(
        self, keys: Sequence[RowKey], compute: Callable[[list[int]], Iterable[Outputs]]
    ) -> tuple[dict[str, StoredRows], int]:
        """Return a row for each key; rows that are not stored are computed, each once.

        Args:
            keys: At least one.
            compute: Called with the positions in `keys` of the rows that are not stored, if there are any; gives the
                network's outputs [m, ...] batch by batch, in that order. They are stored every few seconds.

        Returns:
            Each output [len(keys), ...], which stays on disk, and how many rows were computed.

        Raises:
            ValueError: `compute` gave fewer rows than it was asked for, or more.
        """
        wanted: dict[RowKey, int] = {}
        for position, key in enumerate(keys):
            wanted.setdefault(key, position)
        found = self._find(wanted)
        missing = [key for key in wanted if key not in found]
        if missing:
            waiting = missing
            for outputs in _join(compute([wanted[key] for key in missing])):
                count = _length(outputs)
                batch, waiting = waiting[:count], waiting[count:]
                path = self._write(batch, outputs)
                found |= {key: _Place(path, row) for row, key in enumerate(batch)}
            if waiting:
                raise ValueError(f"Too few rows from `compute`: expected {len(missing)}. {len(waiting)} are missing.")
        return _stored([found[key] for key in keys]), len(missing)

    def _find(self, wanted: Mapping[RowKey, int]) -> dict[RowKey, _Place]:
        """Find the rows that are stored and undamaged."""
        found: dict[RowKey, _Place] = {}
        for path in sorted(self.folder.glob("*.npy")):
            try:
                file = _open(path)
            except FileNotFoundError:  # another process found it damaged
                continue
            except ValueError as error:
                logger.warning("Removing %s, which is damaged; its rows will be computed again. %s", path, error)
                path.unlink(missing_ok=True)
                continue
            images, views = file["pixel_sha256"].tolist(), file["view"].tolist()
            for row, (image, view) in enumerate(zip(images, views, strict=True)):
                key = RowKey(image.decode("ascii", "replace"), view.decode("ascii", "replace"))
                if key in wanted and key not in found and _checksum(file, row) == file["checksum"][row]:
                    found[key] = _Place(path, row)
        return found

    def _write(self, keys: Sequence[RowKey], outputs: Outputs) -> Path:
        if len(keys) != _length(outputs):
            raise ValueError(f"Too many rows from `compute`: expected {len(keys)} more. Received: {_length(outputs)}")
        parts = [(name, array.dtype.newbyteorder("<").str, array.shape[1:]) for name, array in outputs.items()]
        file = np.zeros(len(keys), dtype=[*_KEY_FIELDS, *parts])
        file["pixel_sha256"] = [key.pixel_sha256 for key in keys]
        file["view"] = [key.view for key in keys]
        for name, array in outputs.items():
            file[name] = array
        file["checksum"] = [_checksum(file, row) for row in range(len(file))]
        path = self.folder / f"{uuid.uuid4().hex}.npy"
        with replace_file(path) as temporary:
            np.save(temporary, file, allow_pickle=False)
        return path


@dataclass(frozen=True)
class FeatureStore:
    """All rows that were computed, in a folder for each way of computing.

    Attributes:
        root: Holds those folders.
        keep_days: Days after which the rows of a way of computing are removed if no run has asked for them.
    """

    root: Path
    keep_days: int

    def table(self, **identity: str) -> FeatureTable:
        """Open the rows that were computed in one way, and remove rows that no run asked for in `keep_days`.

        Args:
            identity: All that decides what comes out for an image: digests, versions, names. Rows are found again only
                under exactly the same values.

        Returns:
            The rows.
        """
        text = json.dumps(identity, sort_keys=True, indent=1)
        folder = self.root / hashlib.sha256(text.encode()).hexdigest()[:32]
        # Under a lock, so that no process removes a folder that another one is just opening.
        with locked(self.root / ".lock"):
            folder.mkdir(parents=True, exist_ok=True)
            with replace_file(folder / "identity.json") as temporary:
                temporary.write_text(text)
            self._remove_unused()
        return FeatureTable(folder)

    def _remove_unused(self) -> None:
        now = time.time()
        for folder in self.root.glob("*/"):
            if now - folder.stat().st_mtime > self.keep_days * _SECONDS_IN_A_DAY:
                logger.info("Removing %s, which no run has used for %d days.", folder, self.keep_days)
                shutil.rmtree(folder)
                continue
            for leftover in folder.glob(".*/"):  # of a process that was killed while it wrote
                if now - leftover.stat().st_mtime > _ABANDONED_AFTER_SECONDS:
                    shutil.rmtree(leftover, ignore_errors=True)


def _join(batches: Iterable[Outputs]) -> Iterator[Outputs]:
    """Gather batches until they are worth a file."""
    waiting: list[Outputs] = []
    rows = size = 0
    for batch in batches:
        waiting.append(batch)
        rows += _length(batch)
        size += sum(array.nbytes for array in batch.values())
        if rows >= _ROWS_IN_A_FILE or size >= _BYTES_IN_A_FILE:
            yield {name: np.concatenate([outputs[name] for outputs in waiting]) for name in batch}
            waiting, rows, size = [], 0, 0
    if waiting:
        yield {name: np.concatenate([outputs[name] for outputs in waiting]) for name in waiting[0]}


def _length(outputs: Outputs) -> int:
    return len(next(iter(outputs.values())))


def _stored(places: Sequence[_Place]) -> dict[str, StoredRows]:
    dtype = _open(places[0].path).dtype
    parts = {name: dtype[name] for name in (dtype.names or ())[len(_KEY_FIELDS) :]}
    return {name: StoredRows(name, places, part.base, part.shape) for name, part in parts.items()}


def _open(path: Path) -> NDArray[Any]:
    """Map a file into memory.

    Raises:
        ValueError: The file is cut short, or was not written by `_write`.
    """
    try:
        file = np.asarray(np.lib.format.open_memmap(path, mode="r"))
    except OSError:
        raise
    except (
        Exception
    ) as error:  # on damaged bytes NumPy's header parser raises nearly anything: TokenError, EOFError ...
        raise ValueError(str(error)) from error
    if file.ndim != 1 or not file.dtype.names or file.dtype.descr[: len(_KEY_FIELDS)] != _KEY_FIELDS:
        raise ValueError(f"Expected rows of {_KEY_FIELDS}. Received: {file.shape} of {file.dtype}")
    return file


def _checksum(file: NDArray[Any], row: int) -> int:
    """CRC-32 of a row and of the file's declared fields."""
    payload = file[row : row + 1].view(np.uint8)[_CHECKSUM_BYTES:]
    return zlib.crc32(payload.data, zlib.crc32(repr(file.dtype.descr).encode()))
