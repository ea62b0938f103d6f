"""What a measured figure is: in memory, and in the files that hold figures (`metrics.json`)."""

from typing import Generic, TypedDict, TypeVar

_Value = TypeVar("_Value", float, float | None)


class _Figure(TypedDict, Generic[_Value]):
    """A value, its confidence interval, and the number of images that it rests on."""

    value: _Value
    low: float
    high: float
    n: int


Figure = _Figure[float]
"""In memory: NaN where the value is unknown, so that figures can be calculated with."""

StoredFigure = _Figure[float | None]
"""In a file: None where the value is unknown, for JSON has no NaN."""
