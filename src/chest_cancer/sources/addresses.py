"""Addresses of servers: taken apart, and shown without what they hold in secret."""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

_SECRETS = re.compile(r"(?<=://)[^/@]*@|[?#].*$")


def split(location: str) -> SplitResult | None:
    """Take a location apart that has a scheme and a host; None for others, such as `C:/images`."""
    try:
        parts = urlsplit(location) if "://" in location else None
        return parts if parts is None or parts.hostname else None
    except ValueError:  # such as unbalanced brackets of an IPv6 host
        return None


def is_safe(parts: SplitResult) -> bool:
    """Whether what is sent there can't be read on the way: by `https`, or by `http` inside of this machine."""
    host = parts.hostname or ""
    if parts.scheme != "http" or host == "localhost":
        return parts.scheme in {"http", "https"}
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def without_secrets(location: str) -> str:
    """Return a location without user name, password, query and fragment."""
    return _SECRETS.sub("", location) if "://" in location else location
