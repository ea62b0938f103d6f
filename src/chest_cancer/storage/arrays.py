"""Named arrays, in memory and on disk."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]
"""Arrays by name."""


class Rows(Protocol):
    """An array [n, ...], or what can be read like one, slice by slice."""

    @property
    def shape(self) -> tuple[int, ...]:
        """How many rows, then the shape of one."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of its numbers."""

    def __getitem__(self, rows: slice, /) -> NDArray[Any]: ...
