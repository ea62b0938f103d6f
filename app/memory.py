"""Memory that requests no longer need, given back: the C library keeps what it has had, for as long as it lives."""

import ctypes
from contextlib import suppress


def give_back() -> None:
    """Have the C library give back what is free; one that can't is left as it is."""
    with suppress(AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)
