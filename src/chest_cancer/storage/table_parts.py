"""A table in parts, each a Parquet file that says what it was made from: a folder that pandas reads as one table.

It may be in an object store. A part is whole or absent. Whoever makes the table again makes what is missing or was made
from something else; any number of processes may do so at once, and may be killed at any moment.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO

import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # nor does this part of it
from kedro.io import DatasetError

from chest_cancer.storage.place import Listed, Place

logger = logging.getLogger(__name__)

_MADE_FROM = b"made_from"
_PROVISIONAL = b"provisional"
_SOURCE = b"source"
_UNKNOWN = "a source that they do not name"
_SUFFIX = ".parquet"
_END = 16_384
"""Bytes that nearly always hold the footer of a part, which says what is in it."""


def _always(_: pd.DataFrame) -> bool:
    return True


@dataclass(frozen=True)
class PlannedTable:
    """A table that is to be made.

    Attributes:
        source: What it is of, as people call it. Parts of something else are somebody's work, and are not removed.
        made_from: Of each of its parts, by name, a digest of all that decides what is in it.
        asked: Names of the parts that are to be made now, where they are missing.
        compute: Takes the names of those that are missing, and gives each with its rows, in that order.
        is_final: Whether rows would be the same another time. A part with others is kept until it is asked for again,
            and made again then.
        replaced: Other sources whose parts are nobody's work, and may be removed.
    """

    source: str
    made_from: Mapping[str, str]
    asked: tuple[str, ...]
    compute: Callable[[list[str]], Iterable[tuple[str, pd.DataFrame]]]
    is_final: Callable[[pd.DataFrame], bool] = _always
    replaced: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableParts:
    """The parts that are there. Iterating reads them one by one, in the order of their names.

    Attributes:
        place: Holds them.
        made_from: As in the plan whose parts these are: others, which somebody makes meanwhile, are not among them.
            None where there is no plan: all are.
    """

    place: Place
    made_from: Mapping[str, str] | None = None

    def __iter__(self) -> Iterator[pd.DataFrame]:
        """Read part after part.

        Raises:
            DatasetError: A part is damaged.
        """
        for part in self._list():
            try:
                content = self._open(part)
                if not self._is_planned(part, pq.read_metadata(content)):
                    continue
                rows = pd.read_parquet(content, page_checksum_verification=True)
            except (OSError, pa.ArrowException) as error:
                reason = " ".join(str(error).split())
                raise DatasetError(
                    f"Could not read {self.place.address}/{part.name}: expected a whole Parquet file ({reason}). "
                    "Delete it, and start the same command again: it makes this part alone."
                ) from error
            yield rows

    def __len__(self) -> int:
        """How many parts there are."""
        return len(self._list())

    def count_rows(self) -> int:
        """How many rows all parts have."""
        known = ((part, pq.read_metadata(self._open_footer(part))) for part in self._list())
        return sum(metadata.num_rows for part, metadata in known if self._is_planned(part, metadata))

    def make(self, planned: PlannedTable) -> None:
        """Make the parts that are asked for and missing, one after the other; those of another plan are removed.

        Args:
            planned: The table.

        Raises:
            DatasetError: There are parts of another source.
        """
        current = self._current(planned)
        missing = [name for name in planned.asked if name not in current]
        logger.info("%d of %d parts are there, %d are made now.", len(current), len(planned.made_from), len(missing))
        if not missing:
            return
        for name, rows in planned.compute(missing):
            notes = {_MADE_FROM: planned.made_from[name].encode(), _SOURCE: planned.source.encode()}
            self._write(name, rows, notes if planned.is_final(rows) else notes | {_PROVISIONAL: b"yes"})

    def _current(self, planned: PlannedTable) -> set[str]:
        """Names of the parts that are there as planned; others are removed, as a table of both would be of nothing."""
        current = set()
        old = []
        others: Counter[str] = Counter()
        for part in self._list():
            name = part.name.removesuffix(_SUFFIX)
            notes = self._notes(part)
            if name not in planned.made_from or notes.get(_MADE_FROM) != planned.made_from[name].encode():
                old.append(part.name)
                source = notes.get(_SOURCE, b"").decode() or _UNKNOWN
                # What says nothing of itself is damaged: such a part is made again.
                if notes and source not in (planned.source, *planned.replaced):
                    others[source] += 1
            elif _PROVISIONAL not in notes or name not in planned.asked:
                current.add(name)
        if others:
            raise DatasetError(
                f"{self.place.address} holds parts of another source: {_counted(others)}. Expected none, or parts of "
                f"{planned.source}, as they would be lost. Move that folder away to keep them, or delete it, and start "
                "the same command again; or name the source that they are of, if that was meant."
            )
        if old:
            logger.info("Removing %d parts that were made from other files, or by another model.", len(old))
        for name in old:
            self.place.remove(name)
        return current

    def _write(self, name: str, rows: pd.DataFrame, notes: Mapping[bytes, bytes]) -> None:
        table = pa.Table.from_pandas(rows, preserve_index=False)
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), **notes})
        content = pa.BufferOutputStream()
        pq.write_table(table, content, write_page_checksum=True)
        self.place.write(f"{name}{_SUFFIX}", content.getvalue().to_pybytes())

    def _list(self) -> list[Listed]:
        return [part for part in self.place.list() if part.name.endswith(_SUFFIX) and "/" not in part.name]

    def _open(self, part: Listed) -> BytesIO:
        return BytesIO(self.place.read(part.path, 0, part.bytes))

    def _open_footer(self, part: Listed) -> BytesIO:
        """Read the end of a part: it says how many rows there are, of what, and what they were made from."""
        end = self.place.read(part.path, max(part.bytes - _END, 0), part.bytes)
        footer = int.from_bytes(end[-8:-4], "little") + 8  # its length and a mark, four bytes each, come last
        if footer > len(end):
            end = self.place.read(part.path, max(part.bytes - footer, 0), part.bytes)
        return BytesIO(end)

    def _notes(self, part: Listed) -> Mapping[bytes, bytes]:
        """What a part says of itself; nothing where it is gone, damaged, or of somebody else."""
        try:
            return pq.read_metadata(self._open_footer(part)).metadata or {}
        except (OSError, pa.ArrowException):
            return {}

    def _is_planned(self, part: Listed, metadata: pq.FileMetaData) -> bool:
        return self.made_from is None or self.made_from.get(part.name.removesuffix(_SUFFIX)) == _origin(metadata)


def _counted(sources: Mapping[str, int]) -> str:
    return ", ".join(f"{count} of {source}" for source, count in sorted(sources.items()))


def _origin(metadata: pq.FileMetaData) -> str:
    made_from: bytes = (metadata.metadata or {}).get(_MADE_FROM, b"")
    return made_from.decode()
