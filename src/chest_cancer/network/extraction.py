"""Images through the frozen base, each once: threads decode while the network computes, and what it gives is stored."""

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from chest_cancer.imaging.standardise import preprocessing_key
from chest_cancer.jobs import progress
from chest_cancer.jobs.long_work import LongWork
from chest_cancer.network.devices import Backend, Compiled, choose_backend
from chest_cancer.network.mapping import Loaded, in_groups, map_images
from chest_cancer.network.minimal_filtering import FILTERING, filter_minimally
from chest_cancer.network.runtime import Outputs
from chest_cancer.parameters.blocks import FeatureExtractionParameters
from chest_cancer.storage.arrays import Rows
from chest_cancer.storage.feature_store import FeatureStore, RowKey

logger = logging.getLogger(__name__)

Job = TypeVar("Job")
Image = NDArray[np.uint8]


def extract_stored(
    keys: Sequence[RowKey],
    load: Callable[[Sequence[int]], Sequence[Image]],
    frozen_base: ModelProto,
    feature_store: FeatureStore,
    parameters: FeatureExtractionParameters,
    what: str,
) -> dict[str, Rows]:
    """Take stored features, and compute and store the rest.

    Args:
        keys: What each row shows, n; views of one image follow each other.
        load: Takes positions of keys, all of one image, and returns what each shows, uint8 [224, 224, 3]. Called in
            threads, for what is not stored.
        frozen_base: Graph from 8-bit RGB to `embedding` and, with a cut, `features`.
        feature_store: Features of earlier runs; those of this run are added every few seconds.
        parameters: The block `feature_extraction`.
        what: What the images are, for people.

    Returns:
        The network's outputs [n, ...], which stay on disk.
    """
    graph = frozen_base.SerializeToString()
    backend = choose_backend(parameters.precision, parameters)
    base = _Base(graph, backend)

    def compute(positions: list[int]) -> Iterator[Outputs]:
        stored = len(keys) - len(positions)
        logger.info("Extracting features of %d %s; %d are stored already.", len(positions), what, stored)
        of_images = [list(views) for _, views in groupby(positions, lambda position: keys[position].pixel_sha256)]
        return extract(
            base.stream, of_images, load, parameters, f"Extracting {what} ({backend.device}, {backend.precision})"
        )

    table = feature_store.table(
        base=hashlib.sha256(graph).hexdigest(),
        preprocessing=preprocessing_key(parameters.standardisation),
        precision=backend.precision,
        runtime=f"{backend.runtime}, {FILTERING}" if base.is_filtered else backend.runtime,
    )
    rows, computed = table.rows(keys, compute)
    logger.info("Features of %d %s: %d computed, %d reused.", len(keys), what, computed, len(keys) - computed)
    return {**rows}


@dataclass(frozen=True)
class _Base:
    """The frozen base, compiled where it is first used: here, or in a worker."""

    graph: bytes
    backend: Backend

    @property
    def is_filtered(self) -> bool:
        """Whether its convolutions are replaced: in fp32 that is 1.4 times as fast; in bf16 it was not measured."""
        return self.backend == Backend("cpu", "fp32")

    @cached_property
    def _network(self) -> Compiled:
        return self.backend.compile(self.graph, filter_minimally if self.is_filtered else None)

    def stream(self, batches: Iterable[Image]) -> Iterator[Outputs]:
        """See `Network.stream`."""
        return self._network.stream(batches)


def extract(
    stream: Callable[[Iterable[Image]], Iterator[Outputs]],
    jobs: Sequence[Sequence[Job]],
    load: Callable[[Sequence[Job]], Sequence[Image]],
    parameters: FeatureExtractionParameters,
    description: str,
) -> Iterator[Outputs]:
    """Load every job's image and send it through the network.

    Args:
        stream: Takes batches, and gives the frozen base's outputs of each, as `Network.stream`.
        jobs: The images to load, in the order of the result; what is loaded together, such as views of one file, is
            together.
        load: Returns the image of each of some jobs that are together, uint8 [224, 224, 3]. Called in threads.
        parameters: How many images are sent at once and loaded ahead (at least a batch is), and where.
        description: What is done, for people.

    Yields:
        The outputs of each image by name, float32 [1, ...].
    """

    def compute(batches: Iterable[Image]) -> Iterator[list[Outputs]]:
        return map(_each, stream(batches))

    def loaded(together: Sequence[Job]) -> list[Loaded[None]]:
        return [Loaded(None, image) for image in load(together)]

    batch, count = parameters.batch_size, sum(map(len, jobs))
    mapped = map_images(
        in_groups(jobs, batch, max(map(len, jobs))),
        loaded,
        compute,
        ThreadPoolExecutor,
        batch=batch,
        read_ahead=max(parameters.read_ahead, batch),
        weight=len,
        engine=parameters,
    )
    with LongWork(description, count) as work:
        for outputs in (outputs for _, images in mapped for _, outputs in images if outputs is not None):
            yield outputs
            work.update()
            if work.done % batch == 0 or work.done == count:
                progress.report("images", done=work.done, of=count)


def _each(outputs: Outputs) -> list[Outputs]:
    """Take the outputs of a batch apart, image by image; nothing is copied."""
    count = len(next(iter(outputs.values())))
    return [{name: array[row : row + 1] for name, array in outputs.items()} for row in range(count)]
