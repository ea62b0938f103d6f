"""What stands for a patient: a hash, whatever the identifier looks like."""

import re

import pytest

from chest_cancer.sources.identifiers import hidden, keyed_hash

KEY = b"of this project"


def test_a_copy_of_a_copy_has_the_same_hash() -> None:
    copied = hidden(KEY, "patient", "Doe^Jane")

    assert "Doe" not in copied
    assert hidden(KEY, "patient", copied) == copied
    assert keyed_hash(KEY, "patient", copied) == keyed_hash(KEY, "patient", "Doe^Jane")
    assert keyed_hash(b"of another one", "patient", "Doe^Jane") != keyed_hash(KEY, "patient", "Doe^Jane")


@pytest.mark.parametrize(
    "identifier",
    ["hash:Doe^Jane", "hash:", "hash:0123456789ABCDEF", "hash:0123456789abcdef0", "hash:0123456789abcdef\n"],
)
def test_an_identifier_that_only_begins_like_a_hash_is_hashed(identifier: str) -> None:
    assert re.fullmatch(r"[0-9a-f]{16}", keyed_hash(KEY, "patient", identifier))
    assert keyed_hash(KEY, "patient", identifier) != identifier.removeprefix("hash:")
