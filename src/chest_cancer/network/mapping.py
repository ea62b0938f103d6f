"""The one way to map over images: rows in, the same rows with what the network says of their images out.

Extraction, evaluation, external validation and batch inference use it. Images are loaded by a pool, in other threads or
processes, while the network computes the batch before. Nothing but what is between the two is in memory. Where this
happens, in this process or in workers of a cluster, changes nothing of what comes out.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from chest_cancer.network.processes import processors
from chest_cancer.parameters.engine import EngineParameters

Pixels = NDArray[np.uint8]
Row = TypeVar("Row")
Facts = TypeVar("Facts")
Result = TypeVar("Result")
Loadable = TypeVar("Loadable")
Value = TypeVar("Value", covariant=True)

LOCAL = EngineParameters()
_BATCHES_OF_A_GROUP = 4
"""Few, so that what waits of a cluster's workers fits into memory, also where a network gives whole feature maps."""
_MOST_WITHOUT_IMAGE = 1000
"""Rows one after the other without an image for the network, before they are given."""
_Mapped = tuple[Row, list[tuple[Facts, Result | None]]]


class Loaded(NamedTuple, Generic[Facts]):
    """One image of a row.

    Attributes:
        facts: What is known of it without the network.
        pixels: The network's input, uint8 [224, 224, 3]; None where there is nothing to ask.
    """

    facts: Facts
    pixels: Pixels | None


class Pending(Protocol[Value]):
    """What will be there later."""

    def result(self) -> Value:
        """Wait for it."""


class Pool(Protocol):
    """What loads images beside the network: an executor of threads, or `processes.Processes`."""

    def submit(self, load: Callable[[Loadable], Facts], row: Loadable, /) -> Pending[Facts]:
        """Begin with a row."""


def _one(_: object) -> int:
    return 1


def map_images(
    groups: Iterable[Iterable[Row]],
    load: Callable[[Row], Sequence[Loaded[Facts]]],
    compute: Callable[[Iterable[Pixels]], Iterator[Sequence[Result]]],
    pool: Callable[[int], AbstractContextManager[Pool]],
    *,
    batch: int,
    read_ahead: int,
    weight: Callable[[Row], int] = _one,
    engine: EngineParameters = LOCAL,
) -> Iterator[tuple[Row, list[tuple[Facts, Result | None]]]]:
    """Send the images of rows through a network.

    Args:
        groups: Rows, in groups. No batch has images of two groups: what comes out for a group is the same to the last
            bit, whatever is computed before it, and where. A worker of a cluster gets one group at a time.
        load: Gives the images of a row, none or several. Called by the pool.
        compute: Takes batches, uint8 [n, 224, 224, 3], and gives the results of each, in order.
        pool: Makes what loads rows, from how many are to be loaded at once.
        batch: Most images in a batch.
        read_ahead: Most weight of rows that are loaded before the network asks for them.
        weight: About how many images a row has.
        engine: Where this happens. All that a cluster gets has to be picklable.

    Yields:
        Each row in order, with facts and result of each of its images; no result where there was nothing to ask.
    """
    mapping = _Mapping(load, compute, pool, batch, read_ahead, weight)
    if engine.engine == "ray":
        # Not above: processes that load images need none of what computes.
        from chest_cancer.network.cluster import map_on_cluster

        yield from chain.from_iterable(map_on_cluster(mapping.whole, map(list, groups), engine.workers))
    else:
        with pool(processors()) as loaders:
            yield from mapping.stream(groups, loaders)


def in_groups(rows: Sequence[Row], batch: int, images: int = 1) -> Iterator[Sequence[Row]]:
    """Cut rows into groups of a few batches, which are whole where rows are of one image: no batch is of two groups.

    Args:
        rows: Each of as many images, or fewer.
        batch: Most images in a batch.
        images: How many.
    """
    size = max(1, _BATCHES_OF_A_GROUP * batch // images)
    return (rows[start : start + size] for start in range(0, len(rows), size))


@dataclass(frozen=True)
class _Mapping(Generic[Row, Facts, Result]):
    """How rows are mapped; see `map_images`."""

    load: Callable[[Row], Sequence[Loaded[Facts]]]
    compute: Callable[[Iterable[Pixels]], Iterator[Sequence[Result]]]
    pool: Callable[[int], AbstractContextManager[Pool]]
    batch: int
    read_ahead: int
    weight: Callable[[Row], int]

    def whole(self, group: Iterable[Row]) -> "list[_Mapped[Row, Facts, Result]]":
        """Map one group, in a worker, which has one core."""
        return list(self.stream([group], self._kept_pool))

    @cached_property
    def _kept_pool(self) -> Pool:
        """That of a worker, for all its groups: it ends with its process."""
        return self.pool(1).__enter__()

    def stream(self, groups: Iterable[Iterable[Row]], pool: Pool) -> "Iterator[_Mapped[Row, Facts, Result]]":
        """Map group after group; the first rows of the next one are loaded while this one is computed."""
        rows = _load(groups, self.load, pool, self.read_ahead, self.weight)
        for first in rows:  # begun anew after many rows that ask nothing of the network: no result would give them
            waiting: deque[_Slot[Row, Facts, Result]] = deque()
            batches = self._batches(chain([first], rows), waiting)
            del first  # whose images would stay in memory
            for result in chain.from_iterable(self.compute(batches)):
                while waiting[0].is_complete:
                    yield waiting.popleft().joined()
                waiting[0].results.append(result)
            yield from (slot.joined() for slot in _emptied(waiting))

    def _batches(
        self,
        rows: "Iterator[tuple[int, Row, Sequence[Loaded[Facts]]]]",
        waiting: "deque[_Slot[Row, Facts, Result]]",
    ) -> Iterator[Pixels]:
        """Put rows among those that wait, and give their images; no more after many rows that have none."""
        images: list[Pixels] = []
        before = without_image = 0
        for group, row, loaded in rows:
            if images and group != before:
                yield np.stack(images)
                images = []
            before = group
            waiting.append(_Slot(row, loaded))
            without_image += 1
            for one in loaded:
                if one.pixels is None:
                    continue
                without_image = 0
                images.append(one.pixels)
                if len(images) == self.batch:
                    yield np.stack(images)
                    images = []
            if without_image >= _MOST_WITHOUT_IMAGE and not images:
                return
        if images:
            yield np.stack(images)


@dataclass
class _Slot(Generic[Row, Facts, Result]):
    """A row that waits for the network."""

    row: Row
    loaded: Sequence[Loaded[Facts]]
    results: list[Result] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        return len(self.results) == sum(one.pixels is not None for one in self.loaded)

    def joined(self) -> tuple[Row, list[tuple[Facts, Result | None]]]:
        remaining = iter(self.results)
        return self.row, [(one.facts, None if one.pixels is None else next(remaining)) for one in self.loaded]


def _load(
    groups: Iterable[Iterable[Row]],
    load: Callable[[Row], Sequence[Loaded[Facts]]],
    pool: Pool,
    read_ahead: int,
    weight: Callable[[Row], int],
) -> Iterator[tuple[int, Row, Sequence[Loaded[Facts]]]]:
    """Load in order, never more than `read_ahead` ahead, but always one row."""
    ahead: deque[tuple[int, Row, Pending[Sequence[Loaded[Facts]]]]] = deque()
    loading = 0
    for group, row in ((number, row) for number, rows in enumerate(groups) for row in rows):
        while ahead and loading + weight(row) > read_ahead:
            number, first, pending = ahead.popleft()
            loading -= weight(first)
            yield number, first, pending.result()
        ahead.append((group, row, pool.submit(load, row)))
        loading += weight(row)
    yield from ((number, first, pending.result()) for number, first, pending in _emptied(ahead))


def _emptied(queue: "deque[Value]") -> Iterator[Value]:
    """Take all out of a queue, so that nothing of it stays in memory."""
    while queue:
        yield queue.popleft()
