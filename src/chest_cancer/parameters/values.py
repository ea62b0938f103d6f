"""Types of parameters: what a value may be, in words that say what to write instead."""

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

BELOW_CLASS, ABOVE_CLASS = "<class>/<patient>/<file>", "<patient>/<class>/<file>"
"""Where folders of patients lie, as `data_ingestion.patient`."""


def _as_name(value: Any) -> Any:
    """Take a whole number for the name that it is; YAML has changed other values beyond recognition."""
    if isinstance(value, bool):
        words, example = ("on, yes or true", "yes") if value else ("no, off or false", "no")
        raise ValueError(f"YAML reads {words} as a truth value: quote the name, as in '{example}'")
    if isinstance(value, float):
        raise ValueError(f"YAML reads it as a number: quote the name, as in '{value:g}'")
    return str(value) if isinstance(value, int) else value


def _in_order(limits: tuple[int, int]) -> tuple[int, int]:
    low, high = limits
    if low > high:
        raise ValueError(f"expected the fewest, then the most, as in [{high}, {low}]")
    return limits


def _as_part(shares: tuple[float, float]) -> tuple[float, float]:
    low, high = shares
    if low >= high:
        raise ValueError("expected the lower share, then the higher one, as in [0.1, 0.9]")
    return shares


def _as_falling(numbers: tuple[float, ...]) -> tuple[float, ...]:
    if any(before <= after for before, after in pairwise(numbers)):
        listed = ", ".join(f"{number:g}" for number in sorted(set(numbers), reverse=True))
        raise ValueError(f"expected falling numbers, each once, as in [{listed}]")
    return numbers


def _as_share(share: str) -> str:
    found = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", share)
    if found is None or int(found[1]) > int(found[2]):
        raise ValueError("expected which share and of how many, as in 3/16: from 1/16 to 16/16")
    return share


def _way_among(*known: str) -> Callable[[Any], Any]:
    """Make what takes one of the known ways to find patients, or a regular expression with a group `patient`."""
    names = ", ".join(f"'{name}'" if "<" in name else name for name in known)
    expected = f"expected {names} or a regular expression"

    def check(value: Any) -> Any:
        if not isinstance(value, str) or value in known:
            return value
        try:
            groups = re.compile(value).groupindex
        except re.error as error:
            raise ValueError(f"{expected}, and this is none: {error}") from error
        if "patient" not in groups:
            raise ValueError(f"{expected} with a group (?P<patient>…)")
        return value

    return check


def _as_window(value: Any) -> Any:
    """Take the name of a window, or its level and width in Hounsfield units."""
    if value in WINDOW_NAMES:
        return value
    match value:
        case [int() | float() as level, int() | float() as width] if width > 0:
            return (float(level), float(width))
    names = ", ".join(WINDOW_NAMES)
    raise ValueError(f"expected {names}, or [level, width] with a width above 0, such as [40, 400]")


WINDOW_NAMES = ("lung", "mediastinum", "bone", "three", "file")
Name = Annotated[str, BeforeValidator(_as_name)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=1, le=1000)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
PooledHeadName = Literal["linear", "dense", "kernel"]
HeadName = Literal[PooledHeadName, "cells"]
SourceKind = Literal["phantom", "google_drive", "https", "dicomweb", "object_store", "zip", "folder"]
TableRole = Literal["path", "label", "patient", "study", "split"]
Part = Annotated[tuple[Fraction, Fraction], AfterValidator(_as_part)]
FewestAndMost = Annotated[tuple[Count, Count], AfterValidator(_in_order)]
Similarities = Annotated[
    tuple[Annotated[float, Field(gt=0.0, le=1.0)], ...], Field(min_length=1), AfterValidator(_as_falling)
]
"""Cosines, falling."""
Share = Annotated[str, AfterValidator(_as_share)]
"""Which of several shares of the work, from 1, and of how many, such as 3/16."""
Window = Annotated[str | tuple[float, float], BeforeValidator(_as_window)]
PatientWay = Annotated[str, BeforeValidator(_way_among("auto", "table", "dicom", "unknown", BELOW_CLASS, ABOVE_CLASS))]
UnlabelledPatientWay = Annotated[str, BeforeValidator(_way_among("auto", "dicom", "unknown"))]
"""That of images without class folders and without a table."""


class Block(BaseModel):
    """A block of parameters: immutable, and closed to names that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Range(Block):
    """Range from which a number is drawn, evenly on a logarithmic scale."""

    low: float = Field(gt=0.0, description="Lowest value that is tried.")
    high: float = Field(gt=0.0, description="Highest value that is tried.")

    @model_validator(mode="after")
    def _is_in_order(self) -> "Range":
        if self.low > self.high:
            raise ValueError(f"expected `low` up to `high`, as in {{low: {self.high:g}, high: {self.low:g}}}")
        return self


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Name nested values `block.name`; typed blocks count as mappings, and tuples are lists, as they are in a block."""
    for name, value in values.items():
        inner = value.model_dump(mode="json") if isinstance(value, Block) else value
        inner = list(inner) if isinstance(inner, tuple) else inner
        if isinstance(inner, dict) and inner:
            yield from flatten(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", inner


def nest(values: Mapping[str, Any]) -> dict[str, Any]:
    """Put values that are named `block.name` into blocks, as `flatten` took them out."""
    nested: dict[str, Any] = {}
    for name, value in values.items():
        *blocks, last = name.split(".")
        inner = nested
        for block in blocks:
            inner = inner.setdefault(block, {})
        inner[last] = value
    return nested
