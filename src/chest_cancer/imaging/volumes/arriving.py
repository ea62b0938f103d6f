"""A study whose files arrive one by one: each is decoded at once, and only its Hounsfield units are kept."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from chest_cancer.imaging.boundary import as_unreadable
from chest_cancer.imaging.pixels import UnreadableImageError
from chest_cancer.imaging.signatures import kind_of_volume, require_dicom
from chest_cancer.imaging.volumes.reading import assemble, read_volume
from chest_cancer.imaging.volumes.series import Series, Slice, sort_slices
from chest_cancer.imaging.volumes.volume import Limits, Volume


class StudyTooLargeError(UnreadableImageError):
    """More slices or voxels than may be."""


class ArrivingStudy:
    """Takes files in any order, and gives their volumes when all are there.

    The same volumes as `reading.read_one_by_one` of the same files; but names of files are not known, so that no header
    can name one of them for its values.

    Attributes:
        slices: How many there are, of all series and volumes.
        refused: How many files are not used, by the reason; complete after `finish`.
    """

    def __init__(self, limits: Limits, most_slices: int) -> None:
        """Begin without files.

        Args:
            limits: Of one volume; as many voxels may all slices have together.
            most_slices: Of all series and volumes together.
        """
        self.slices = 0
        self.refused: Counter[str] = Counter()
        self._limits = limits
        self._most_slices = most_slices
        self._voxels = 0
        self._files = 0
        self._located: list[Slice] = []
        self._decoded: dict[tuple[str, int], NDArray[np.int16]] = {}
        self._volumes: list[Volume] = []

    def add(self, data: bytes) -> None:
        """Take one file, and decode it.

        Args:
            data: The whole file. One that can't be used is counted in `refused`.

        Raises:
            StudyTooLargeError: There are more slices or voxels together than may be.
        """
        self._files += 1
        try:
            if kind_of_volume(data):
                volume = read_volume(data, limits=self._limits)
                self._volumes.append(volume)
                self._count(len(volume), volume.hounsfield.size)
            else:
                self._add_dicom(data)
        except StudyTooLargeError:
            raise
        except UnreadableImageError as error:
            self.refused[str(error)] += 1

    def finish(self) -> tuple[Volume, ...]:
        """Sort what came into volumes, the one with most slices first."""
        series, not_axial = sort_slices(self._located)
        for refusal in not_axial:
            self.refused[refusal.reason] += len(refusal.files)
        for one in series:
            try:
                self._volumes.append(assemble(one, self._stack(one), limits=self._limits))
            except UnreadableImageError as error:
                self.refused[str(error)] += len(one.files)
        self._decoded.clear()
        return tuple(sorted(self._volumes, key=len, reverse=True))

    def _add_dicom(self, data: bytes) -> None:
        require_dicom(data)
        with as_unreadable("DICOM", extra="dicom"):
            from chest_cancer.imaging.volumes.slices import DirectoryError, read_whole  # on use: pydicom is an extra

            try:
                located, values = read_whole(str(self._files), data, self._limits)
            except DirectoryError:
                return
        self._count(len(located), sum(value.size for value in values))
        self._located += located
        self._decoded |= {(one.file, one.frame): value for one, value in zip(located, values, strict=True)}

    def _count(self, slices: int, voxels: int) -> None:
        self.slices += slices
        self._voxels += voxels
        if self.slices > self._most_slices or self._voxels > self._limits.voxels:
            raise StudyTooLargeError(
                f"{self.slices} slices of {self._voxels:,} values together exceed the limit of {self._most_slices} "
                f"slices and {self._limits.voxels:,} values; pass one series at a time"
            )

    def _stack(self, series: Series) -> NDArray[np.int16]:
        """Move the slices of a series together; each is let go as it is copied."""
        first = series.slices[0]
        stack = np.empty((len(series.slices), first.rows, first.columns), np.int16)
        for number, one in enumerate(series.slices):
            stack[number] = self._decoded.pop((one.file, one.frame))
        return stack
