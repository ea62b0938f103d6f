"""The account that an archive knows us by: `archive` in conf/local/credentials.yml, never in an address."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from chest_cancer.sources.wording import named

WHERE = "`archive` in conf/local/credentials.yml"
_WAYS: tuple[set[str], ...] = (set(), {"username", "password"}, {"token"})


@dataclass(frozen=True)
class Account:
    """A user with a password, a token, or nobody.

    Attributes:
        username: Empty where there is none, as the others.
        password: Of the user.
        token: Sent as `Authorization: Bearer`.
    """

    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    @classmethod
    def of(cls, credentials: Mapping[str, Any] | None) -> Self:
        """Read what Kedro's credentials hold.

        Raises:
            ValueError: Other names, or a value that is empty or no text; values are not shown.
        """
        given = dict(credentials or {})
        texts = all(isinstance(value, str) and value for value in given.values())
        if set(given) not in _WAYS or not texts:
            raise ValueError(
                f"Invalid credentials: {WHERE}. Expected `username` and `password`, or `token`, as texts that are not "
                f"empty, or nothing. Received: {named(given)}"
            )
        return cls(**given)
