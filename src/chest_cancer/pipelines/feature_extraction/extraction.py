"""Images through the frozen base: threads decode while the network computes."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from chest_cancer.jobs import progress
from chest_cancer.network.runtime import Network, Outputs

Job = TypeVar("Job")
Image = NDArray[np.uint8]


def extract(
    network: Network,
    jobs: Sequence[Job],
    load: Callable[[Job], Image],
    batch_size: int,
    read_ahead: int,
    description: str,
) -> Iterator[Outputs]:
    """Load every job's image and send it through the network.

    Args:
        network: The compiled frozen base.
        jobs: The images to load, in the order of the result.
        load: Returns the image of a job, uint8 [224, 224, 3]. Called in threads.
        batch_size: Images sent at once.
        read_ahead: Most images that are loaded before the network asks for them; at least a batch is.
        description: What the progress bar says.

    Yields:
        The outputs of each batch by name, float32 [batch_size or fewer, ...].
    """
    with tqdm(total=len(jobs), desc=description, unit="image", mininterval=0.5) as bar:
        for outputs in network.stream(_batches(jobs, load, batch_size, read_ahead)):
            yield outputs
            bar.update(len(next(iter(outputs.values()))))
            progress.report("images", done=bar.n, of=len(jobs))


def _batches(jobs: Sequence[Job], load: Callable[[Job], Image], batch_size: int, read_ahead: int) -> Iterator[Image]:
    """Load on all cores, in order, never more than `read_ahead` images ahead."""
    to_come = iter(jobs)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        waiting = deque(pool.submit(load, job) for job in islice(to_come, max(read_ahead, batch_size)))
        while waiting:
            batch = [waiting.popleft().result() for _ in range(min(batch_size, len(waiting)))]
            waiting.extend(pool.submit(load, job) for job in islice(to_come, len(batch)))
            yield np.stack(batch)
