"""Which slices train: within the lungs, at even distances, no more than asked for."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chest_cancer.imaging.volumes.selection import select_slices
from properties import examples

STEPS = st.floats(0.5, 6)


def test_every_slice_with_lung_by_default() -> None:
    assert select_slices([0, 1, 2, 3, 4], [False, True, True, True, False], every_mm=0).tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"every_mm": 2}, [0, 2, 4, 6, 8, 10]),
        ({"every_mm": 4}, [1, 5, 9]),
        ({"every_mm": 30}, [5]),
        ({"every_mm": 2, "part": (0.2, 0.6)}, [2, 4, 6]),
        ({"every_mm": 0, "most": 1}, [5]),
        ({"every_mm": 0, "most": 3}, [2, 5, 8]),
        ({"every_mm": 1, "part": (0.0, 0.4), "most": 2}, [1, 3]),
    ],
)
def test_slices_are_spread_around_the_middle(options: dict[str, object], expected: list[int]) -> None:
    assert select_slices(range(11), [True] * 11, **options).tolist() == expected  # type: ignore[arg-type]  # parametrize gives plain names


def test_a_volume_without_lung_trains_nothing() -> None:
    assert select_slices([0, 1], [False, False], every_mm=1).tolist() == []


def test_a_part_between_two_slices_trains_nothing() -> None:
    assert select_slices([0, 10], [True, True], every_mm=1, part=(0.3, 0.6)).tolist() == []


@examples(40, 300)
@given(st.lists(STEPS, min_size=1, max_size=30), st.data(), st.floats(0, 20), st.none() | st.integers(1, 20))
def test_what_is_chosen_shows_lung_in_the_part_and_no_more_than_asked_for(
    steps: list[float], data: st.DataObject, every: float, most: int | None
) -> None:
    positions = np.cumsum(steps)
    lungs = np.array(data.draw(st.lists(st.booleans(), min_size=len(steps), max_size=len(steps))))
    low, high = sorted(data.draw(st.tuples(st.floats(0, 1), st.floats(0, 1))))
    assume(low < high)

    chosen = select_slices(positions, lungs, every_mm=every, part=(low, high), most=most)

    assert (np.diff(chosen) > 0).all()
    assert lungs[chosen].all()
    assert most is None or len(chosen) <= most
    if np.count_nonzero(lungs) > 1:
        foot, head = positions[lungs].min(), positions[lungs].max()
        heights = (positions[chosen] - foot) / (head - foot)
        assert ((heights >= low - 1e-6) & (heights <= high + 1e-6)).all()


@examples(40, 300)
@given(st.integers(2, 80), st.floats(0.5, 5), st.floats(0, 20))
def test_evenly_spaced_slices_are_chosen_at_the_distance_asked_for(count: int, step: float, every: float) -> None:
    positions = step * np.arange(count)

    chosen = select_slices(positions, [True] * count, every_mm=every)

    asked = max(every, step)
    assert all(abs(after - before - asked) <= step + 1e-6 for before, after in pairwise(positions[chosen]))
    assert len(chosen) >= int(positions[-1] / asked + 1e-6)


@pytest.mark.parametrize(
    ("positions", "options", "reason"),
    [
        (
            [0, 2, 1],
            {"every_mm": 1},
            r"`positions`\. Expected ascending numbers, one for each of `lungs`\. Received: 3",
        ),
        ([0, 1], {"every_mm": 1}, r"Received: 2 positions for 3 slices\."),
        ([0, 1, 2], {"every_mm": -1}, r"Received: every_mm=-1, part=\(0\.0, 1\.0\), most=None"),
        ([0, 1, 2], {"every_mm": 1, "part": (0.5, 0.2)}, r"two shares 0 <= low < high <= 1"),
        ([0, 1, 2], {"every_mm": 1, "most": 0}, r"most=0"),
    ],
)
def test_impossible_wishes_are_refused(positions: list[float], options: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        select_slices(positions, [True] * 3, **options)  # type: ignore[arg-type]  # parametrize gives plain names
