"""What of a source may lie in this project's folders: images, and the table of the images, without whom they show."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

from chest_cancer.imaging.decoding import decode_image, without_identifiers
from chest_cancer.imaging.pixels import UnreadableImageError
from chest_cancer.imaging.signatures import identify
from chest_cancer.parameters.sources import TableParameters
from chest_cancer.sources.foreign import foreign_by_name, holds_no_images, is_table_by_name
from chest_cancer.sources.identifiers import hidden
from chest_cancer.sources.intake import RefusedError
from chest_cancer.sources.table_copy import table_without_identifiers


@dataclass
class Deidentifier:
    """Takes identifiers out of files on their way into a folder.

    A DICOM file and the table of the images are written anew. Other files that are no images are refused, since texts
    and tables may name patients. Names of files stay as they are.

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

    def clean(self, name: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Take the identifiers out of one file.

        Args:
            name: Its path in the source.
            chunks: Its content.

        Returns:
            What may be kept of it.

        Raises:
            RefusedError: It is no image.
            ValueError: It is the table of the images, and can't be read.
        """
        content = iter(chunks)
        first = next(content, b"")
        whole = partial(b"".join, chain([first], content))
        if name == self.table.path:
            self.may_name_patients = True
            yield table_without_identifiers(name, whole(), self.table, self.key)
            return
        try:
            if identify(first) is None:
                self.may_name_patients = True
                yield without_identifiers(whole(), partial(hidden, self.key), max_pixels=self.max_pixels)
            elif holds_no_images(name):  # a text may begin like a picture: `BMI,patient` like BMP
                data = whole()
                decode_image(data, max_pixels=self.max_pixels, min_side=1)
                yield data
            else:
                yield first
                yield from content
        except UnreadableImageError as error:
            self.may_name_patients |= is_table_by_name(name)
            raise RefusedError(foreign_by_name(name) or str(error)) from error
