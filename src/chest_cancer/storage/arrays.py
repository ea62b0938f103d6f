"""Named arrays, in memory and on disk."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]
"""Arrays by name."""


class Rows(Protocol):
    """An array [n, ...], or anything that is read like one, slice by slice."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of rows, then the shape of one row."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of its numbers."""

    def __getitem__(self, rows: slice, /) -> NDArray[Any]: ...
