"""Long work, for people: a bar on a terminal; in a log now and then a line with the rate and what is left."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import ExitStack
from types import TracebackType
from typing import Self, TypeVar

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

logger = logging.getLogger(__name__)

Item = TypeVar("Item")

BYTES = "bytes"
"""The unit of what is shown in megabytes."""

_MEASURED_SECONDS = 5
"""What a rate is measured on before it is said."""
_SECONDS_BETWEEN_LINES = 30
_IN_WHOLE_NUMBERS = 20
_BYTES_IN_MEGABYTE = 1_000_000
_BAR = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_noinv_fmt}]"
_UNITS_OF_TIME = (("h", 3600, 1.5), ("min", 60, 1.5), ("s", 1, 0))
"""Name, seconds, and how many of them there have to be."""


class LongWork:
    """How far work is. It says nothing in a log of what takes a few seconds.

    Attributes:
        total: How many units there are; None where nobody knows.
        done: How many are done.
    """

    def __init__(
        self, doing: str, total: int | None, unit: str = "images", clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Name the work.

        Args:
            doing: What is done, such as `Extracting images`.
            total: How many units there are; None where nobody knows.
            unit: What is counted, in the plural.
            clock: Gives seconds.
        """
        self.total = total
        self.done = 0
        self._doing = doing
        self._unit = unit
        self._clock = clock
        self._bar: tqdm[None] | None = None
        self._open = ExitStack()
        # The first update ends what is not work itself, such as compiling a network: the rate is measured from there.
        self._first: tuple[float, int] | None = None
        self._said: float | None = None

    def __enter__(self) -> Self:
        """Begin; on a terminal the bar appears, and what is logged meanwhile is written above it."""
        self._begun = self._clock()
        if sys.stderr.isatty():
            scaled = {"unit": "B", "unit_scale": True} if self._unit == BYTES else {"unit": f" {self._unit}"}
            shape = None if self.total is None else _BAR
            self._open.enter_context(logging_redirect_tqdm())
            # A bar below another one vanishes when its work is done.
            self._bar = self._open.enter_context(
                tqdm(total=self.total, desc=self._doing, leave=None, mininterval=0.5, bar_format=shape, **scaled)
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End; a log that was told of the work is told how long it took."""
        self._open.close()
        if self._said is not None and kind is None:
            logger.info("%s: %s in %s.", self._doing, self._counted(), time_in_words(self._clock() - self._begun))

    def update(self, count: int = 1) -> None:
        """Say that some more units are done."""
        self.done += count
        if self._bar is not None:
            self._bar.total = self.total
            self._bar.update(count)
            return
        now = self._clock()
        if self._first is None:
            self._first = now, self.done
        since = self._first[0] + _MEASURED_SECONDS if self._said is None else self._said + _SECONDS_BETWEEN_LINES
        if now >= since and self._first[1] < self.done != self.total:
            self._said = now
            # Units come in batches: the first of one is counted when all of the batch before it are done.
            rate = (self.done - self._first[1]) / (now - self._first[0])
            left = "" if self.total is None else f", about {time_in_words((self.total - self.done) / rate)} left"
            logger.info("%s: %s, %s%s.", self._doing, self._counted(), self._pace(rate), left)

    def _counted(self) -> str:
        if self._unit == BYTES:
            done, total = (None if size is None else size // _BYTES_IN_MEGABYTE for size in (self.done, self.total))
            return f"{done:,} MB" if total is None else f"{done:,} of {total:,} MB"
        return f"{self.done:,} {self._unit}" if self.total is None else f"{self.done:,} of {self.total:,} {self._unit}"

    def _pace(self, rate: float) -> str:
        if self._unit == BYTES:
            return f"{rate / _BYTES_IN_MEGABYTE:.1f} MB/s"
        name, seconds = next(
            ((name, seconds) for name, seconds in (("s", 1), ("min", 60)) if rate * seconds >= 1), ("h", 3600)
        )
        pace = rate * seconds
        return f"{pace:.1f} {self._unit}/{name}" if pace < _IN_WHOLE_NUMBERS else f"{pace:,.0f} {self._unit}/{name}"


def follow(items: Iterable[Item], doing: str, total: int | None = None, unit: str = "images") -> Iterator[Item]:
    """Give items one by one, and show how far the work on them is.

    Args:
        items: What is worked on.
        doing: What is done, such as `Opening files`.
        total: How many items there are, if they have no length.
        unit: What is counted, in the plural.
    """
    with LongWork(doing, len(items) if total is None and isinstance(items, Sized) else total, unit) as work:
        for item in items:
            yield item
            work.update()


def time_in_words(seconds: float) -> str:
    """Write a time as people say it: `40 s`, `3 min`, `2.5 h`."""
    name, unit = next((name, unit) for name, unit, fewest in _UNITS_OF_TIME if seconds >= fewest * unit)
    return f"{seconds / unit:.1f} {name}" if name == "h" else f"{seconds / unit:.0f} {name}"
