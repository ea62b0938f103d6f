"""Wrong tokens: whoever sends too many waits, and so does everybody where too many come from everywhere together."""

import threading
import time
from collections import deque
from ipaddress import IPv6Address, ip_address

_SECONDS = 60
_OF_ONE = 10
_OF_ALL = 100


class Attempts:
    """Counts wrong tokens of the last minute in this process; the tokens themselves are not kept.

    At most `_OF_ALL` are remembered, so that nobody can fill the memory.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = threading.Lock()
        self._failures: deque[tuple[float, str]] = deque()

    def wait_seconds(self, address: str | None) -> int:
        """Say how long an address has to wait until a token of it is looked at; 0 where it need not."""
        origin, now = _origin(address), time.monotonic()
        with self._lock:
            while self._failures and now - self._failures[0][0] >= _SECONDS:
                self._failures.popleft()
            own = [when for when, who in self._failures if who == origin]
            if len(own) >= _OF_ONE:
                return _until(own[-_OF_ONE], now)
            return _until(self._failures[0][0], now) if len(self._failures) >= _OF_ALL else 0

    def failed(self, address: str | None) -> None:
        """Note a wrong token."""
        with self._lock:
            self._failures.append((time.monotonic(), _origin(address)))
            if len(self._failures) > _OF_ALL:
                self._failures.popleft()


def _until(first: float, now: float) -> int:
    return max(1, round(first + _SECONDS - now))


def _origin(address: str | None) -> str:
    """Whom an address belongs to: of IPv6 everybody has as many as there are."""
    try:
        known = ip_address(address or "")
    except ValueError:
        return ""
    return known.exploded[:19] if isinstance(known, IPv6Address) else str(known)
