"""DICOM slices made series: sorted by position, with what is doubled, missing or mixed told or refused."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chest_cancer.imaging.pixels import Identifiers, UnreadableImageError
from chest_cancer.imaging.planes import plane_of
from chest_cancer.imaging.volumes.volume import Note

_SAME_POSITION = 0.01  # mm
_SAME_GEOMETRY = 0.01  # of unit vectors, and mm
_UNEVEN = 0.1  # of the usual step
_MOST_NAMED = 5


@dataclass(frozen=True)
class Slice:
    """Where a slice lies, and to which series it belongs; its pixels stay in the file.

    Attributes:
        file: Name of its file.
        frame: Its number within the file, from 0.
        identifiers: Whom it shows, as the file says.
        acquisition: AcquisitionNumber, or that of the frame; empty where there is none.
        rows, columns: Its size, pixels.
        spacing: Millimetres from row to row, and from column to column.
        orientation: Unit vectors along a row and along a column, six numbers: ImageOrientationPatient.
        corner: Centre of the first pixel, x, y, z in mm: ImagePositionPatient.
        digest: Of stored pixels and rescale: the same where two slices of a series hold the same values.
        own_window: Level and width that the file names, in Hounsfield units.
        image_type: ImageType, its values joined by backslashes; empty where there is none.
    """

    file: str
    frame: int
    identifiers: Identifiers = field(repr=False)
    acquisition: str
    rows: int
    columns: int
    spacing: tuple[float, ...]
    orientation: tuple[float, ...]
    corner: tuple[float, ...]
    digest: bytes = field(repr=False)
    own_window: tuple[float, float] | None = None
    image_type: str = ""

    @property
    def normal(self) -> NDArray[np.float64]:
        """Unit vector across the slice: from the row's direction to the column's, by the right hand."""
        return np.cross(self.orientation[:3], self.orientation[3:])

    @property
    def position(self) -> float:
        """Millimetres along the normal."""
        return float(self.normal @ self.corner)


class Refusal(NamedTuple):
    """Files that are not used, and why.

    Attributes:
        files: Their names.
        reason: What was expected, what was there, and the cure.
    """

    files: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Series:
    """Slices of one series in one plane, of one size and spacing, each at a position of its own.

    Attributes:
        slices: In the order of their positions, ascending.
        notes: What was odd.
    """

    slices: tuple[Slice, ...]
    notes: tuple[Note, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files that hold the slices, each once."""
        return tuple(dict.fromkeys(slice_.file for slice_ in self.slices))

    @property
    def positions(self) -> NDArray[np.float64]:
        """Millimetres along the normal, `[slices]`."""
        return np.array([slice_.position for slice_ in self.slices])


def sort_slices(slices: Iterable[Slice]) -> tuple[list[Series], list[Refusal]]:
    """Sort slices into series, by UID and position; neither names nor InstanceNumber say anything about order.

    Slices of one series that differ in size, spacing or orientation are several series, and so are acquisitions at the
    same positions. Of slices with the same position and values one is kept.

    Args:
        slices: In any order.

    Returns:
        Series in the order of the names of their first files, and what was refused.
    """
    series: list[Series] = []
    refused: list[Refusal] = []
    for stack in _stacks(slices):
        try:
            for found in _without_doubled(stack):
                spaced = replace(found, notes=found.notes + _notes_of_spacing(found.positions))
                _require_axial(spaced)
                series.append(spaced)
        except UnreadableImageError as error:
            refused.append(Refusal(stack.files, str(error)))
    return series, refused


def _stacks(slices: Iterable[Slice]) -> Iterator[Series]:
    """Yield what can be one stack: of one series, size, spacing and orientation."""
    by_series: dict[object, list[list[Slice]]] = defaultdict(list)
    for slice_ in sorted(slices, key=lambda slice_: (slice_.file, slice_.frame)):
        stacks = by_series[slice_.identifiers]
        fitting = next((stack for stack in stacks if _fit(stack[0], slice_)), None)
        if fitting is None:
            stacks.append([slice_])
        else:
            fitting.append(slice_)
    for stacks in by_series.values():
        mixed = Note(
            "mixed",
            f"the slices of one series differ in size, spacing or orientation: {len(stacks)} stacks, of "
            f"{_listed([str(len(stack)) for stack in stacks])} slices",
        )
        for stack in stacks:
            yield Series(tuple(stack), (mixed,) if len(stacks) > 1 else ())


def _fit(one: Slice, other: Slice) -> bool:
    if (one.rows, one.columns) != (other.rows, other.columns):
        return False
    differences = np.subtract((*one.orientation, *one.spacing), (*other.orientation, *other.spacing))
    return bool(np.abs(differences).max() < _SAME_GEOMETRY)


def _without_doubled(stack: Series) -> Iterator[Series]:
    """Yield a stack in order, each position once; one stack for each acquisition where these share positions.

    Raises:
        UnreadableImageError: Slices at one position differ, and nothing tells which of them belong together.
    """
    places = _by_position(stack.slices)
    kept = [list({slice_.digest: slice_ for slice_ in reversed(place)}.values()) for place in places]
    notes = stack.notes
    if doubled := sum(len(place) - len(once) for place, once in zip(places, kept, strict=True)):
        notes += (Note("doubled", f"slices left out, whose position and values another has: {doubled}"),)
    rest = [slice_ for place in kept for slice_ in place]
    if len(rest) == len(kept):
        yield Series(tuple(rest), notes)
        return
    acquisitions = sorted({slice_.acquisition for slice_ in rest})
    parts = [[slice_ for slice_ in rest if slice_.acquisition == acquisition] for acquisition in acquisitions]
    if any(len(_by_position(part)) < len(part) for part in parts):
        many = sum(len(place) > 1 for place in kept)
        raise UnreadableImageError(
            f"{many} of {len(kept)} positions of the series are shown by several slices with different values, and "
            "DICOM AcquisitionNumber (0020,0012) doesn't tell which belong together; pass one acquisition at a time"
        )
    text = f"the series holds {len(parts)} acquisitions of the same positions; each is a volume of its own"
    for part in parts:
        yield Series(tuple(part), (*notes, Note("acquisitions", text)))


def _by_position(slices: Sequence[Slice]) -> list[list[Slice]]:
    """Group slices by position, ascending."""
    places: list[list[Slice]] = []
    for slice_ in sorted(slices, key=lambda slice_: slice_.position):
        if places and slice_.position - places[-1][0].position < _SAME_POSITION:
            places[-1].append(slice_)
        else:
            places.append([slice_])
    return places


def _notes_of_spacing(positions: NDArray[np.float64]) -> tuple[Note, ...]:
    """Tell gaps, steps near to a multiple of the usual one, from uneven spacing."""
    steps = np.diff(positions)
    if not len(steps):
        return ()
    usual = float(np.median(steps))
    times = steps / usual
    odd = np.flatnonzero(np.abs(times - 1) > _UNEVEN)
    gaps = [step for step in odd if times[step] > 1.5 and abs(times[step] - round(times[step])) <= _UNEVEN]
    notes: tuple[Note, ...] = ()
    if gaps:
        missing = sum(round(times[step]) - 1 for step in gaps)
        where = _listed([f"{positions[step]:.1f} and {positions[step + 1]:.1f} mm" for step in gaps])
        notes += (Note("gap", f"slices missing at a spacing of {usual:.2f} mm: {missing}, between {where}"),)
    if len(odd) > len(gaps):
        text = f"slices lie {steps.min():.2f} to {steps.max():.2f} mm apart, most of them {usual:.2f} mm"
        notes += (Note("uneven", text),)
    return notes


def _require_axial(series: Series) -> None:
    """Raise `UnreadableImageError` unless slices are axial."""
    plane = plane_of(series.slices[0].normal)
    if plane != "axial":
        raise UnreadableImageError(
            f"DICOM ImageOrientationPatient (0020,0037) says that the slices are {plane}: expected axial ones; pass "
            "the axial series"
        )


def _listed(texts: Sequence[str]) -> str:
    """Join texts by commas, the first few of them."""
    more = len(texts) - _MOST_NAMED
    return ", ".join(texts[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
