"""Headers of text, a value for each key, as MetaImage and NRRD have them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from chest_cancer.imaging.pixels import UnreadableImageError
from chest_cancer.imaging.volumes.voxels import finite_numbers

LONGEST_HEADER = 65_536
"""Bytes."""
CURE = "correct it, or save the volume as .nii.gz"


@dataclass(frozen=True)
class Header:
    """What a header says.

    Attributes:
        format: What people call the format.
        values: The text of each key.
        between_numbers: Regular expression of what separates numbers.
    """

    format: str
    values: Mapping[str, str]
    between_numbers: str

    def get(self, key: str, default: str = "") -> str:
        """Return the text of a key, or the default where it is missing."""
        return self.values.get(key, default)

    def require(self, expected: Mapping[str, str]) -> None:
        """Raise `UnreadableImageError` where a key says something else, in capitals or not; it may be missing."""
        for key, value in expected.items():
            if self.get(key, value).upper() != value.upper():
                raise self.refusal(key, value)

    def numbers(self, key: str, count: int) -> list[float]:
        """Return the numbers of a key.

        Raises:
            UnreadableImageError: They are not so many, or no finite numbers.
        """
        words = [word for word in re.split(self.between_numbers, self.get(key)) if word]
        numbers = finite_numbers(words, count)
        if numbers is None:
            raise self.refusal(key, f"{count} numbers")
        return numbers

    def refusal(self, key: str, expected: str) -> UnreadableImageError:
        """Return the error of a key that says something else than expected."""
        value = self.get(key)[:64] or "missing"
        return UnreadableImageError(f"{self.format} {key} is {value}: expected {expected}; {CURE}")
