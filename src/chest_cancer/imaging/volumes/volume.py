"""A volume: axial slices of Hounsfield units in order, whatever way a file keeps them."""

import itertools
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chest_cancer.imaging.grey import fill_with_air
from chest_cancer.imaging.pixels import (
    DecodedImage,
    Identifiers,
    TooManyPixelsError,
    UnreadableImageError,
    check_size,
)
from chest_cancer.imaging.planes import LARGEST_TILT, degrees_off, left_edge_of, plane_of
from chest_cancer.imaging.windows import see_lungs

_ACROSS = np.eye(3)[::-1]  # Slices go to the head (z), rows to the back (y), columns to the patient's left (x).
_HIGHEST = 32767
_FINEST = 0.001
"""Millimetres from voxel to voxel: no scanner measures less, and slices that lie closer would be at one place."""
_UNUSABLE = "spacing, directions or origin of the volume are no usable numbers; correct them"


class Limits(NamedTuple):
    """What is read.

    Attributes:
        voxels: Most values of a volume; each takes two bytes of memory, and up to ten more while it is read.
        pixels: Most values of a slice, in whatever plane it is stored; each takes some 30 bytes while it is read.
        side: Fewest rows and columns.
    """

    voxels: int = 300_000_000
    pixels: int = 2048 * 2048
    side: int = 32

    def check_stack(self, slices: int, rows: int, columns: int) -> None:
        """Raise `UnreadableImageError` for a size outside the limits; to be called before anything is allocated."""
        if min(slices, rows, columns) < 1:
            raise UnreadableImageError(
                f"a volume of {slices} x {rows} x {columns} values; expected at least one along each axis"
            )
        if slices * rows * columns > self.voxels or rows * columns > self.pixels:
            raise TooManyPixelsError(
                f"a volume of {slices} x {rows} x {columns} values exceeds the limit of {self.voxels:,} values, "
                f"{self.pixels:,} a slice; pass fewer or smaller slices"
            )

    def check_slices(self, rows: int, columns: int) -> None:
        """Raise `UnreadableImageError` for slices outside the limits."""
        check_size(columns, rows, self.pixels, self.side)


class Note(NamedTuple):
    """Something odd about slices that was handled.

    Attributes:
        kind: `doubled` (a position that several files show), `gap` (slices are missing), `uneven` (spacing), `mixed` (a
            series whose files differ in size, spacing or orientation), `acquisitions` (several in one series), `turned`
            (rows or columns ran another way), or `directory` (a DICOMDIR, which the files themselves make needless).
        text: The same for people, with numbers, and without anything that says whom it shows.
    """

    kind: Literal["doubled", "gap", "uneven", "mixed", "acquisitions", "turned", "directory"]
    text: str


class Origin(NamedTuple):
    """Where a slice of a volume was read from.

    Attributes:
        file: Name of its file.
        frame: Its number within the file, from 0.
        own_window: Level and width that the file names for it, in Hounsfield units.
    """

    file: str
    frame: int
    own_window: tuple[float, float] | None


@dataclass(frozen=True, eq=False)
class Volume:
    """Axial slices in order, as radiologists look at them: seen from the feet, the patient's back below.

    Attributes:
        hounsfield: int16 `[slices, rows, columns]`, read-only; air where nothing was measured.
        positions: Millimetres along the normal of the slices, float64 `[slices]`, ascending from the feet to the head.
        spacing: Millimetres from row to row, and from column to column.
        orientation: Unit vectors along a row and along a column, x to the patient's left, y to the back, z to the head:
            six numbers, as in DICOM's ImageOrientationPatient.
        corner: Centre of the first pixel of the first slice, x, y, z in mm, as in DICOM's ImagePositionPatient.
        notes: What was odd.
        files: Names of the files that it was read from, in the order in which slices came first.
        identifiers: Whom it shows; None where the format doesn't say.
        origins: Of each slice, where it is a slice of a DICOM file; else empty.
    """

    hounsfield: NDArray[np.int16]
    positions: NDArray[np.float64]
    spacing: tuple[float, float]
    orientation: tuple[float, ...]
    corner: tuple[float, ...]
    notes: tuple[Note, ...] = ()
    files: tuple[str, ...] = ()
    identifiers: Identifiers | None = None
    origins: tuple[Origin, ...] = ()

    def __len__(self) -> int:
        """Number of slices."""
        return len(self.hounsfield)

    def image(self, number: int) -> DecodedImage:
        """Take a slice as `decode_image` gives the same slice of a file of its own.

        Args:
            number: From the feet, from 0.
        """
        hounsfield = self.hounsfield[number]
        rows, columns = hounsfield.shape
        window = self.origins[number].own_window if self.origins else None
        pixels = see_lungs(hounsfield)
        pixels.setflags(write=False)
        return DecodedImage(
            pixels,
            "volume",
            "MONOCHROME2",
            columns,
            rows,
            "HU",
            hounsfield=hounsfield,
            own_window=window,
            left_edge=left_edge_of(np.array(self.orientation[:3])),
        )


def make_int16(hounsfield: NDArray[Any]) -> NDArray[np.int16]:
    """Round Hounsfield units; below -1024 and NaN become air, -1000, and what is above 32767 becomes that."""
    return np.asarray(np.rint(np.minimum(fill_with_air(hounsfield), _HIGHEST)), np.int16)


def make_axial(
    hounsfield: NDArray[np.int16],
    steps: NDArray[np.float64],
    corner: NDArray[np.float64],
    positions: NDArray[np.float64] | None = None,
) -> Volume:
    """Turn and flip a stack until its slices are axial; no value changes.

    Args:
        hounsfield: `[slices, rows, columns]` as stored, in whatever order and plane.
        steps: `[3, 3]` from slice to slice, from row to row and from column to column, each as x, y, z in mm.
        corner: Centre of the first voxel, x, y, z in mm.
        positions: For axial slices at uneven distances: theirs along the first step, ascending.

    Raises:
        UnreadableImageError: The slices lean too far, or the steps span no volume.
    """
    lengths = np.linalg.norm(steps, axis=1)
    if not (np.isfinite(steps).all() and np.isfinite(corner).all() and lengths.min() >= _FINEST):
        raise UnreadableImageError(_UNUSABLE)
    axes = _nearest_axes(steps / lengths[:, None])
    steps, lengths = steps[axes], lengths[axes]
    stack = hounsfield.transpose(axes)
    back = (steps * _ACROSS).sum(axis=1) < 0
    corner = corner + sum((n - 1) * step for n, step, flipped in zip(stack.shape, steps, back, strict=True) if flipped)
    steps = np.where(back[:, None], -steps, steps) + 0.0  # No -0.
    down, along = steps[1] / lengths[1], steps[2] / lengths[2]
    normal = np.cross(along, down)
    normal /= np.linalg.norm(normal)
    if plane_of(normal) != "axial":
        raise UnreadableImageError(
            f"the slices lean by {degrees_off(normal, 2):.0f} degrees: expected axial slices, leaning by at most "
            f"{LARGEST_TILT:.0f}; pass an axial reconstruction"
        )
    if positions is None:
        positions = corner @ normal + np.arange(len(stack)) * (steps[0] @ normal)
    elif back[0]:
        positions = -positions[::-1]
    if not (np.diff(positions) > 0).all():  # So far off that steps are lost in rounding.
        raise UnreadableImageError(_UNUSABLE)
    turned = np.ascontiguousarray(stack[tuple(slice(None, None, -1 if flipped else 1) for flipped in back)])
    turned.setflags(write=False)
    corner = corner + normal * (positions[0] - corner @ normal)  # The first step may be none of uneven slices.
    spacing = (float(lengths[1]), float(lengths[2]))
    return Volume(turned, positions, spacing, (*along.tolist(), *down.tolist()), tuple(corner.tolist()))


def _nearest_axes(directions: NDArray[np.float64]) -> list[int]:
    """Return which stored axis goes to the head, to the back and to the left, for unit vectors `[3, 3]`."""
    if abs(np.linalg.det(directions)) < np.cos(np.radians(LARGEST_TILT + 10)):
        raise UnreadableImageError("the directions of the volume's axes are not at right angles; correct them")
    return max(
        (list(axes) for axes in itertools.permutations(range(3))),
        key=lambda axes: float(np.abs((directions[axes] * _ACROSS).sum(axis=1)).sum()),
    )
