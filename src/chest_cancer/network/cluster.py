"""The same function of the same rows in workers of a Ray cluster: on this machine, or on many.

A worker is a process with one core. It computes and writes nothing, so one that is lost leaves nothing behind, and Ray
gives its row to another. Ray is imported here alone, and only where it is asked for.
"""

import logging
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from chest_cancer.network.processes import processors
from chest_cancer.network.runtime import RUNTIME, use_one_thread

logger = logging.getLogger(__name__)

Row = TypeVar("Row")
Result = TypeVar("Result")

_MOST_LOSSES = 3
"""Times that a row is given to another worker."""
_AHEAD = 3
"""Rows for each worker that are begun before the result of the first one is taken."""
_BYTES_OF_A_STORE = 512 * 2**20
_MAY_HAVE_NODES = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Whether Ray listens to other machines, whatever the system."""


def map_on_cluster(function: Callable[[Row], Result], rows: Iterable[Row], workers: int | None) -> Iterator[Result]:
    """Compute a function of each row on the cluster of `RAY_ADDRESS`, else on one that is started here and ended.

    Args:
        function: Picklable, as are rows and results. A worker gets it once, with its first row.
        rows: Taken one by one, each when a worker is free.
        workers: How many may compute at once; None for as many as there are cores now.

    Yields:
        The result of each row, in order. Those that nobody has taken yet wait in the cluster, a few for each worker.

    Raises:
        ConnectionError: The cluster can't be reached, or one row's workers were lost again and again.
        ValueError: A node has another version of the runtime, whose numbers would differ.
    """
    with connected(workers) as ray:
        most = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
        logger.info("Computing in %d workers of a Ray cluster with %d nodes.", most, len(ray.nodes()))
        shared = ray.put(_Shared(function, RUNTIME, Path.cwd()))
        compute = ray.remote(num_cpus=1, max_retries=_MOST_LOSSES)(_compute)
        numbered = enumerate(rows)
        running: dict[Any, int] = {}
        finished: dict[int, Any] = {}
        given = 0
        while True:
            free = min(most - len(running), _AHEAD * most - len(running) - len(finished))
            for number, row in islice(numbered, free):
                # In a list, the function is fetched by the worker when it asks for it: once.
                running[compute.remote([shared], row)] = number
            if not running:
                return
            (first,), _ = ray.wait(list(running))
            finished[running.pop(first)] = first
            while given in finished:
                yield _result(ray, finished.pop(given))
                given += 1


class _Shared(NamedTuple, Generic[Row, Result]):
    """What all workers need.

    Attributes:
        function: What they compute.
        runtime: By what.
        folder: Where relative paths begin.
    """

    function: Callable[[Row], Result]
    runtime: str
    folder: Path


def _compute(shared: list[Any], row: Row) -> Any:
    """Compute a row, in a worker."""
    return _fetched(shared[0])(row)


@cache
def _fetched(reference: Any) -> Callable[[Any], Any]:
    """Become a worker: take the function, which keeps what it has compiled from row to row."""
    import ray

    shared: _Shared[Any, Any] = ray.get(reference)
    if shared.runtime != RUNTIME:
        raise ValueError(
            f"A node of the Ray cluster computes by another runtime: expected {shared.runtime}, as where the run was "
            f"started. Received: {RUNTIME}. Install the same versions on all nodes."
        )
    if shared.folder.is_dir():
        os.chdir(shared.folder)
    use_one_thread()
    return shared.function


def _result(ray: Any, reference: Any) -> Any:
    """Take a result; what went wrong in a worker is raised as if it had been here."""
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.RayError as error:
        raise ConnectionError(
            f"The Ray cluster lost a worker and the {_MOST_LOSSES} that took its work over, one after the other "
            f"({type(error).__name__}). Expected one to finish: give the nodes more memory, or take fewer workers a "
            "node. A run that is started again goes on where this one ended."
        ) from error


@contextmanager
def connected(workers: int | None) -> Iterator[Any]:
    """Connect to a cluster, and leave it again; one that is started here has so many workers, and ends.

    Whoever is connected already stays so.
    """
    address = os.environ.get("RAY_ADDRESS")
    settings = {"RAY_USAGE_STATS_ENABLED": "0"}
    if not address:
        # For nobody else on this machine, nor, as one that can't have a second node listens on loopback alone, beyond.
        settings |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), _MAY_HAVE_NODES: "0"}
    for name, value in settings.items():
        os.environ.setdefault(name, value)  # read when Ray is imported
    import ray

    if ray.is_initialized():
        yield ray
        return
    try:
        _connect(ray, address, workers)
    except Exception as error:  # Ray raises nearly anything
        raise ConnectionError(
            "Invalid environment variable `RAY_ADDRESS`: expected the address of a Ray cluster, such as 10.0.0.1:6379. "
            f"Received: {address}, where none answers ({error}) Start the cluster, or unset the variable to have one "
            "started here."
            if address
            else "A Ray cluster could not be started here: expected its processes to begin within half a minute. "
            f"Received: {error} Free memory and processors, or take `engine: local`."
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _connect(ray: Any, address: str | None, workers: int | None) -> None:
    quiet = {"configure_logging": False, "log_to_driver": False}
    if address:
        ray.init(address, **quiet)
        return
    ray.init(
        "local",
        num_cpus=workers or processors(),
        num_gpus=0,
        include_dashboard=False,
        object_store_memory=_BYTES_OF_A_STORE,
        _node_ip_address="127.0.0.1",
        **quiet,
    )
