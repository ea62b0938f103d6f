"""Names of classes, which may be any folder's, as names that MLflow takes."""

import hashlib
import re

_MOST_CHARACTERS = 240  # MLflow takes 250, with what a name is put behind
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
