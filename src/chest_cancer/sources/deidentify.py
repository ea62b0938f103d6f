"""What of a source may lie in this project's folders: images, and the table of the images, without whom they show.

Volumes lie there as slices, so that there is one way for all that comes after.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

from chest_cancer.imaging.decoding import decode_image, without_identifiers
from chest_cancer.imaging.pixels import UnreadableImageError
from chest_cancer.imaging.signatures import identify, kind_of_volume
from chest_cancer.imaging.volumes.taking_apart import frames_of_dicom, slices_of_volume
from chest_cancer.imaging.volumes.volume import Limits
from chest_cancer.imaging.volumes.voxels import Beside
from chest_cancer.parameters.sources import TableParameters
from chest_cancer.sources.foreign import foreign_by_name, holds_no_images, is_table_by_name
from chest_cancer.sources.identifiers import hidden
from chest_cancer.sources.intake import RefusedError


@dataclass
class Deidentifier:
    """Takes identifiers out of files on their way into a folder.

    A DICOM file and the table of the images are written anew, and a file of a volume as a file for each slice. Other
    files that are no images are refused, since texts and tables may name patients. Names of files stay as they are.

    Attributes:
        key: Of this project, for the hashes in the place of identifiers; None: nothing stands there.
        table: The table of the images, which may be one of the files.
        max_pixels: Of an image.
        may_name_patients: Whether a DICOM file or a table has been met.
    """

    key: bytes | None = field(repr=False)
    table: TableParameters
    max_pixels: int
    may_name_patients: bool = False

    def clean(
        self, name: str, chunks: Iterable[bytes], beside: Beside | None = None
    ) -> Iterator[tuple[str, Iterable[bytes]]]:
        """Take the identifiers out of one file.

        Args:
            name: Its path in the source.
            chunks: Its content.
            beside: Opens the values of a volume's header, see `reading.read_volume`; None where nothing lies beside.

        Returns:
            Path and content of what may be kept of it: one file of that path; for a volume `slice_0001.dcm` and so on
            in a folder of that path, from the feet to the head, or as a DICOM file has its frames.

        Raises:
            RefusedError: It is no image.
            ValueError: It is the table of the images, and can't be read.
        """
        content = iter(chunks)
        first = next(content, b"")
        whole = partial(b"".join, chain([first], content))
        if name == self.table.path:
            from chest_cancer.sources.table_copy import table_without_identifiers  # processes read images without it

            self.may_name_patients = True
            yield name, [table_without_identifiers(name, whole(), self.table, self.key)]
            return
        try:
            if kind_of_volume(first):
                self.may_name_patients = True  # headers of volumes have free text
                slices = slices_of_volume(whole(), name, self._hidden, limits=self._limits, beside=beside)
                yield from _in_folder(name, slices)
            elif identify(first) is None:
                self.may_name_patients = True
                data = without_identifiers(whole(), self._hidden, max_pixels=self.max_pixels)
                frames = frames_of_dicom(data, limits=self._limits)
                yield from [(name, [data])] if frames is None else _in_folder(name, frames)
            elif holds_no_images(name):  # a text may begin like a picture: `BMI,patient` like BMP
                data = whole()
                decode_image(data, max_pixels=self.max_pixels, min_side=1)
                yield name, [data]
            else:
                yield name, chain([first], content)
        except UnreadableImageError as error:
            self.may_name_patients |= is_table_by_name(name)
            raise RefusedError(foreign_by_name(name) or str(error)) from error

    @property
    def _hidden(self) -> Callable[[str, str], str]:
        return partial(hidden, self.key)

    @property
    def _limits(self) -> Limits:
        return Limits(pixels=self.max_pixels, side=1)


def slice_path(name: str, number: int) -> str:
    """Say where a slice of a volume lies, by the path of the volume and its number from 1."""
    return f"{name}/slice_{number:04d}.dcm"


def _in_folder(name: str, slices: Iterable[bytes]) -> Iterator[tuple[str, Iterable[bytes]]]:
    for number, data in enumerate(slices, start=1):
        yield slice_path(name, number), [data]
