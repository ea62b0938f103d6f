"""What stands for a patient, a study or a series outside of this process's memory: a hash under the project's key."""

import hashlib
import hmac
import re

_DIGITS = 16
_MARK = "hash:"
_HIDDEN = re.compile(rf"{_MARK}([0-9a-f]{{{_DIGITS}}})")
"""What `hidden` makes. Anything else is an identifier, whatever it begins with."""


def keyed_hash(key: bytes, kind: str, identifier: str) -> str:
    """Hash an identifier by HMAC with SHA-256 (RFC 2104), so that nobody without the key can try all of them.

    Args:
        key: Of this project; another one gives other hashes.
        kind: What it identifies: `patient`, `study`, `series`, `instance`, `archive` or `site`.
        identifier: As a source has it, or what `hidden` made of it: both give the same hash. Not empty.

    Returns:
        16 hexadecimal digits.
    """
    if found := _HIDDEN.fullmatch(identifier):
        return found[1]
    return hmac.new(key, f"{kind}\0{identifier}".encode(), hashlib.sha256).hexdigest()[:_DIGITS]


def hidden(key: bytes | None, kind: str, identifier: str) -> str:
    """Return what a copied file holds in the place of an identifier: its hash, marked; without a key nothing."""
    return "" if key is None else f"{_MARK}{keyed_hash(key, kind, identifier)}"
