"""Audits whose figures are looked at many times over, and whose plot only once."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def undrawn(*plots: str) -> Iterator[None]:
    """Without these functions that draw, given by where they are looked up: they take longer than a small audit."""
    with pytest.MonkeyPatch.context() as patch:
        for plot in plots:
            patch.setattr(plot, lambda *_, **__: None)
        yield
