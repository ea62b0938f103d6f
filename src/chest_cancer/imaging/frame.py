"""Which part of an image the network sees."""

from typing import NamedTuple

SIDE = 224
"""Pixels of a side of the network's input."""


class Frame(NamedTuple):
    """Edges of the rectangle that the network sees, in shares of an image's width and height.

    Below 0 and above 1 where it reaches beyond the image.
    """

    left: float = 0.0
    top: float = 0.0
    right: float = 1.0
    bottom: float = 1.0


WHOLE_IMAGE = Frame()
