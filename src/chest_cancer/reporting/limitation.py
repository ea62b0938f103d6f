"""A limitation: something that figures do not support, in plain words."""

from typing import NamedTuple


class Limitation(NamedTuple):
    """What a reader must know before using figures."""

    title: str
    text: str


def listed(limitations: list[Limitation]) -> dict[str, list[dict[str, str]]]:
    """Turn limitations into the entry `limitations` of an audit's facts, which fit into JSON."""
    return {"limitations": [limitation._asdict() for limitation in limitations]}


def sentence(words: str) -> str:
    """Give a text a capital letter at its beginning and a full stop at its end."""
    return f"{words[0].upper()}{words[1:]}."
