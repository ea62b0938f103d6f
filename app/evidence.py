"""What a slice's answer comes from, in pictures, numbers and words: the same for the page and for programs."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.slices import Slice
from chest_cancer.imaging.evidence import draw_evidence, place_of
from chest_cancer.imaging.pictures import picture_url
from chest_cancer.network.explanation import Explanation

_MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Evidence:
    """What speaks for a class in a slice, and what against it.

    Attributes:
        label: Name of the class.
        explanation: Where its log-odds come from.
        slice: What was asked about.
    """

    label: str
    explanation: Explanation
    slice: Slice

    @property
    def map_url(self) -> str:
        """The smooth map, to lay over the slice, as a data URL."""
        return pixels_url(draw_evidence(self.explanation.cells, self.slice.frame))

    @property
    def seen_url(self) -> str:
        """What the network saw, as a data URL."""
        return pixels_url(self.slice.pixels)

    @property
    def strongest(self) -> float:
        """The largest number in a cell, for or against, in log-odds."""
        return float(np.abs(self.explanation.cells).max())

    @property
    def log_odds(self) -> float | None:
        """What cells and constant add up to; None where the constant is not known."""
        constant = self.explanation.constant
        return None if constant is None else constant + float(self.explanation.cells.sum())

    @property
    def words(self) -> str:
        """Where the strongest cells are."""
        cells = self.explanation.cells
        said = []
        if cells.max() > 0:
            said.append(f"Most for it: {self._place(int(cells.argmax()))} ({signed(float(cells.max()))}).")
        if cells.min() < 0:
            said.append(f"Most against it: {self._place(int(cells.argmin()))} ({signed(float(cells.min()))}).")
        return " ".join(said) or "No cell speaks for it or against it."

    def record(self) -> dict[str, Any]:
        """Write it for programs, as a JSON object; the cells are those of what the network saw, row by row."""
        constant, log_odds = self.explanation.constant, self.log_odds
        return {
            "label": self.label,
            "cells": self.explanation.cells.round(6).tolist(),
            "constant": None if constant is None else round(constant, 6),
            "log_odds": None if log_odds is None else round(log_odds, 6),
            "frame": [round(edge, 6) for edge in self.slice.frame],
            "words": self.words,
        }

    def _place(self, number: int) -> str:
        place = place_of(number, self.explanation.cells.shape, self.slice.frame)
        edge = self.slice.left_edge
        if edge is None or place.endswith("centre"):
            return f"{place} in the image"
        side = edge if place.endswith("left") else {"left": "right", "right": "left"}[edge]
        return f"{place} in the image, the patient's {side}"


def pixels_url(pixels: NDArray[np.uint8]) -> str:
    """Write `[h, w, 3]` or `[h, w, 4]` pixels into a data URL."""
    picture = Image.fromarray(pixels)
    if picture.mode == "RGB" and (pixels[..., :1] == pixels).all():
        picture = picture.convert("L")  # a third of the bytes
    return picture_url(picture, lossless=True)


def signed(value: float) -> str:
    """Write log-odds with their sign, and a real minus."""
    text = f"{value:+.2f}"
    return "0" if text in ("+0.00", "-0.00") else text.replace("-", _MINUS)
