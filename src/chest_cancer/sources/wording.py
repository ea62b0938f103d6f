"""Names in sentences."""

from collections.abc import Iterable


def named(names: Iterable[str]) -> str:
    """List names as code: "`a`, `b`"."""
    return ", ".join(f"`{name}`" for name in names)


def some(names: Iterable[str], shown: int = 4) -> str:
    """List the first names as code, and count the others: "`a`, `b` and 3 more"."""
    listed = list(names)
    return named(listed[:shown]) + (f" and {len(listed) - shown} more" if len(listed) > shown else "")
