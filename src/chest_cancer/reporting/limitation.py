"""One thing that figures do not support, in plain words."""

from typing import NamedTuple


class Limitation(NamedTuple):
    """What a reader must know before figures are used."""

    title: str
    text: str


def listed(limitations: list[Limitation]) -> dict[str, list[dict[str, str]]]:
    """Give limitations as the entry of an audit's facts, which fit into JSON."""
    return {"limitations": [limitation._asdict() for limitation in limitations]}


def sentence(words: str) -> str:
    """Begin with a capital letter and end with a full stop."""
    return f"{words[0].upper()}{words[1:]}."
