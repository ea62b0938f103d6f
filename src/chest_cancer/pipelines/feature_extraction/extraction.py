"""Images through the frozen base: decoding in threads, beside the network."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from chest_cancer.runtime import Network, Outputs

Job = TypeVar("Job")
Image = NDArray[np.uint8]

_BATCHES_AHEAD = 2


def extract(
    network: Network, jobs: Sequence[Job], load: Callable[[Job], Image], batch_size: int, description: str
) -> Iterator[Outputs]:
    """Load every job's image and send it through the network.

    Args:
        network: The compiled frozen base.
        jobs: What to load, in the order of the result.
        load: Gives the image of a job, uint8 [224, 224, 3]. Called in threads.
        batch_size: Images sent at once.
        description: What the progress bar says.

    Yields:
        The outputs of each batch by name, float32 [batch_size or fewer, ...].
    """
    with tqdm(total=len(jobs), desc=description, unit="image", mininterval=0.5) as bar:
        for outputs in network.stream(_load_ahead(jobs, load, batch_size)):
            yield outputs
            bar.update(len(next(iter(outputs.values()))))


def _load_ahead(jobs: Sequence[Job], load: Callable[[Job], Image], batch_size: int) -> Iterator[Image]:
    """Load in threads, in order; at most a few batches are in memory before they are asked for."""
    waiting: deque[list[Future[Image]]] = deque()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(jobs), batch_size):
            waiting.append([pool.submit(load, job) for job in jobs[start : start + batch_size]])
            if len(waiting) > _BATCHES_AHEAD:
                yield np.stack([future.result() for future in waiting.popleft()])
        while waiting:
            yield np.stack([future.result() for future in waiting.popleft()])
