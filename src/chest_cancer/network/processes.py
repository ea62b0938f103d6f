"""Processes that load images beside the network: decoding holds Python's lock too long for threads."""

import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from multiprocessing.connection import wait
from types import TracebackType
from typing import Generic, Self, TypeVar

logger = logging.getLogger(__name__)

Row = TypeVar("Row")
Value = TypeVar("Value")

_MOST = 16
"""More would read no faster than the network computes."""


class Processes:
    """A pool of processes that a bad file may end: that costs its row, not the run.

    They end with the process that began them, however that ends.
    """

    def __init__(self, count: int, preload: str) -> None:
        """Name what they need; they start with the first row.

        Args:
            count: How many.
            preload: Module that is imported once for all of them.
        """
        # Not forked from this process, which has threads of the network; and a server, so that imports are made once.
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([preload])
        self._count = count
        self._pool = self._start(count)

    def __enter__(self) -> Self:
        """Give the pool."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes."""
        self._pool.shutdown(cancel_futures=True)

    def submit(self, load: Callable[[Row], Value], row: Row) -> "_Pending[Row, Value]":
        """Begin with a row.

        Args:
            load: Picklable, as are what it takes and gives. Its attribute `lost` gives what stands for a row whose
                process ended, if it has one.
            row: The row.
        """
        try:
            future = self._pool.submit(load, row)
        except BrokenProcessPool:
            self._pool = self._start(self._count)
            future = self._pool.submit(load, row)
        return _Pending(self, load, row, future)

    def load_alone(self, load: Callable[[Row], Value], row: Row) -> Value:
        """Load a row in a process that nothing else depends on, after one ended on it or on another beside it."""
        with self._start(1) as pool:
            try:
                return pool.submit(load, row).result()
            except BrokenProcessPool:
                logger.warning("A process ended while it read a file: the file gets a row that says so.")
                lost: Callable[[Row], Value] | None = getattr(load, "lost", None)
                if lost is None:
                    raise
                return lost(row)

    def _start(self, count: int) -> ProcessPoolExecutor:
        pool = ProcessPoolExecutor(count, self._context, initializer=_begin)
        with _main_module_hidden():
            for _ in range(count):
                pool.submit(os.getpid)  # each begins one, while those before are still beginning
        return pool


class _Pending(Generic[Row, Value]):
    """What a process will have loaded."""

    def __init__(self, processes: Processes, load: Callable[[Row], Value], row: Row, future: "Future[Value]") -> None:
        self._processes = processes
        self._load = load
        self._row = row
        self._future = future

    def result(self) -> Value:
        """Wait for it."""
        try:
            return self._future.result()
        except BrokenProcessPool:
            return self._processes.load_alone(self._load, self._row)


def processors() -> int:
    """How many processors this process may use, as a scheduler of jobs says; at most 16."""
    return min(len(os.sched_getaffinity(0)), _MOST)


@contextmanager
def _main_module_hidden() -> Iterator[None]:
    """Keep new processes from running this one's script once more, as `kedro`: they need nothing of it."""
    main = sys.modules["__main__"]
    spec = main.__spec__
    main.__spec__ = ModuleSpec("__main__", None)
    try:
        yield
    finally:
        main.__spec__ = spec


def _begin() -> None:
    """Leave Ctrl-C to the process that began this one, and end when that has ended: nobody else would tell."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
