"""Names of classes, which may be any folder's, as names that MLflow takes."""

import hashlib
import re

_MOST_CHARACTERS = 240  # MLflow takes 250; a figure's name gets the name of its part
_PARTS = re.compile(r"_(?=(?:low|high|n)$)")
_REFUSED = re.compile(r"[^\w./ -]|(?<![^/])\.+(?=/|$)|^/|/$|(?<=/)/")


def mlflow_name(name: str) -> str:
    """Name a metric or a parameter so that MLflow takes it, and no two alike.

    Args:
        name: Any text, `/` between its parts.

    Returns:
        The name with each character that MLflow refuses as `:` and two hexadecimal digits for each of its UTF-8 bytes,
        as `%` does in addresses. One that is longer than 240 characters ends with its digest instead.
    """
    safe = _REFUSED.sub(lambda found: "".join(f":{byte:02X}" for byte in found[0].encode()), name)
    if len(safe) <= _MOST_CHARACTERS:
        return safe
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"{safe[: _MOST_CHARACTERS - len(digest) - 1]}:{digest}"


def figure_name(name: str, part: str, kind: str = "test") -> str:
    """Name a part of a figure.

    Args:
        name: Of the figure, such as `recall_<class>`.
        part: `value`, `low`, `high` or `n`.
        kind: What it is of.

    Returns:
        `<kind>/<figure>` for the value, `<kind>/<figure>_<part>` for the others. A figure that itself ends like that,
        for a class `nodule_low` beside a class `nodule`, has `:5F` for that `_`.
    """
    safe = _PARTS.sub(":5F", mlflow_name(f"{kind}/{name}"))
    return safe if part == "value" else f"{safe}_{part}"
