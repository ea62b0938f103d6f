"""Rows through a network: what comes out, and when."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from chest_cancer.network.mapping import Loaded, map_images
from conftest import Pixels


def compute(batches: Iterable[Pixels]) -> Iterator[list[int]]:
    return (batch[:, 0, 0, 0].tolist() for batch in batches)


def load(row: int) -> list[Loaded[int]]:
    """Rows up to 255 have an image of this grey, the others none."""
    return [Loaded(row, np.full((1, 1, 3), row, np.uint8) if row < 256 else None)]


def test_rows_that_ask_nothing_of_the_network_do_not_wait_for_the_end() -> None:
    taken = 0

    def rows() -> Iterator[int]:
        nonlocal taken
        while taken < 100_000:
            taken += 1
            yield 1000

    first = next(iter(map_images([rows()], load, compute, ThreadPoolExecutor, batch=2, read_ahead=4)))

    assert first == (1000, [(1000, None)])
    assert taken < 5_000


def test_rows_come_in_order_with_what_belongs_to_them_however_many_ask_nothing() -> None:
    groups = [[1, *range(300, 2600), 2, 3, *range(3000, 5500)], [4], [*range(6000, 8500)], [5, 6, 7]]

    mapped = list(map_images(groups, load, compute, ThreadPoolExecutor, batch=2, read_ahead=4))

    assert [row for row, _ in mapped] == [row for group in groups for row in group]
    assert all(images == [(row, row if row < 256 else None)] for row, images in mapped)
