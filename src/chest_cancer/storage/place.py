"""A folder of files, on a disk or in an object store: listed, read and written in one way.

How long an object store may take, and how often it is asked again, is its library's to say. s3fs asks five times if a
connection is lost, with growing pauses, and botocore tries several times within each.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn, Self

import fsspec
from fsspec.spec import AbstractFileSystem
from kedro.io import DatasetError

from chest_cancer.storage.atomic import AtomicLocalFileSystem

_INSTALLED_BY = {
    "s3": 'pip install "chest_cancer[s3]"',
    "gs": "pip install gcsfs",
    "az": "pip install adlfs",
}
OBJECT_STORES = tuple(f"{protocol}://" for protocol in _INSTALLED_BY)

_ACCOUNT = "`object_store` in conf/local/credentials.yml, or whichever credentials its catalog entry names"
_LOST = {
    *("ConnectionError", "TimeoutError", "HTTPClientError", "ClientPayloadError", "IncompleteRead"),
    *("ServiceRequestError", "ServiceResponseError"),
}
"""Names of errors, and of what they derive from: builtin, of botocore, aiohttp and urllib3; of Azure."""
_BUSY = {"InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown", "500", "502", "503", "504"}
_NOBODY = {"NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError"}


def protocol_of(address: str) -> str:
    """Say in which kind of file system an address lies: `file` for a path."""
    protocol, remote, _ = address.partition("://")
    return protocol if remote else "file"


class Listed(NamedTuple):
    """A file of a place.

    Attributes:
        name: Its path in the place, with `/`.
        path: Where it lies, as the file system has it.
        bytes: Its size.
        stamp: In an object store the ETag, which changes with the content; on a disk nothing.
    """

    name: str
    path: str
    bytes: int
    stamp: str


@dataclass(frozen=True)
class Place:
    """A folder on a disk or in an object store. It can be sent to other processes.

    Attributes:
        address: A path, or `s3://bucket/prefix`.
        fs: fsspec's file system.
    """

    address: str
    fs: AbstractFileSystem = field(repr=False)

    @classmethod
    def of(
        cls, address: str, credentials: Mapping[str, Any] | None = None, fs_args: Mapping[str, Any] | None = None
    ) -> Self:
        """Open a place; nothing is read or made yet.

        Args:
            address: A path, or an address that begins with `s3://`, `gs://` or `az://`.
            credentials: For the file system of an object store, such as `key`, `secret` and `endpoint_url`.
            fs_args: More for it, such as `config_kwargs`.

        Raises:
            DatasetError: Another kind of address, or the library of this kind is not installed.
        """
        protocol = protocol_of(address)
        if protocol == "file":
            return cls(address, AtomicLocalFileSystem(auto_mkdir=True))
        if protocol not in _INSTALLED_BY:
            raise DatasetError(
                f"Expected a path, or an address that begins with {', '.join(OBJECT_STORES)}. Received: {protocol}://…"
            )
        try:
            return cls(address, fsspec.filesystem(protocol, **(credentials or {}), **(fs_args or {})))
        except ImportError as error:
            raise DatasetError(
                f"Could not use {address}: the package for {protocol}:// is not installed. Install it: "
                f"{_INSTALLED_BY[protocol]}"
            ) from error
        except Exception as error:  # of whichever library: it is told without its text
            _fail(address, error)

    @property
    def is_remote(self) -> bool:
        """Whether it is in an object store."""
        return protocol_of(self.address) != "file"

    def list(self) -> list[Listed]:
        """List all files, sorted by name; none where there is no such place on a disk.

        The address of one object is a place that has this one.

        Raises:
            DatasetError: The object store does not answer, or has no such bucket.
        """
        root = self._root
        with self._explained():
            self.fs.invalidate_cache()
            found = self.fs.find(root, detail=True)
            self.fs.invalidate_cache()  # which would keep all of them
        # A name that ends with `/` stands for an empty folder.
        return sorted(
            Listed(
                path.removeprefix(f"{root}/") if path != root else root.rpartition("/")[2],
                path,
                int(info["size"]),
                str(info.get("ETag") or info.get("etag") or "").strip('"'),
            )
            for path, info in found.items()
            if not path.endswith("/")
        )

    def read(self, path: str, start: int, end: int) -> bytes:
        """Read a part of a file.

        Args:
            path: `Listed.path`.
            start: Its first byte.
            end: The first byte that is not wanted; more than there are is allowed.

        Raises:
            FileNotFoundError: It is gone.
            DatasetError: The object store does not answer.
        """
        if start >= end:
            return b""  # no range of bytes could ask for it
        with self._explained(may_be_gone=True):
            content: bytes = self.fs.cat_file(path, start=start, end=end)
        return content

    def write(self, name: str, content: bytes) -> None:
        """Make or replace a file: whole, or not at all.

        Raises:
            DatasetError: The object store does not take it.
        """
        with self._explained():
            self.fs.pipe_file(f"{self._root}/{name}", content)

    def remove(self, name: str) -> None:
        """Remove a file, unless it is gone.

        Raises:
            DatasetError: The object store does not answer.
        """
        try:
            with self._explained(may_be_gone=True):
                self.fs.rm_file(f"{self._root}/{name}")
        except FileNotFoundError:
            return

    @property
    def _root(self) -> str:
        root: str = self.fs._strip_protocol(self.address)
        return root.rstrip("/")

    @contextmanager
    def _explained(self, *, may_be_gone: bool = False) -> Iterator[None]:
        """Say what to do about an object store's error; a disk's say what they are."""
        try:
            yield
        except Exception as error:  # of whichever library; a disk's is raised again
            gone = may_be_gone and isinstance(error, FileNotFoundError) and _code(error) != "NoSuchBucket"
            if gone or not self.is_remote:
                raise
            _fail(self.address, error)


def _fail(address: str, error: Exception) -> NoReturn:
    """Say what to do, and leave the error's own text out: it may hold an account, or names of objects."""
    raise DatasetError(f"Could not use {address}: {_reason(error)}.") from None


def _reason(error: Exception) -> str:
    kinds = {kind.__name__ for kind in type(error).__mro__}
    code = _code(error)
    what = code or type(error).__name__
    if isinstance(error, FileNotFoundError):
        return f"there is no such bucket ({what}). Check its name, and `endpoint_url` where it isn't one of Amazon's"
    if isinstance(error, PermissionError):
        return f"the object store refuses this account ({what}). Check {_ACCOUNT}, and what the account may do"
    if kinds & _NOBODY:
        return f"the object store asks for an account, and there is none ({what}). Set {_ACCOUNT}"
    if code in _BUSY or (code is None and kinds & _LOST):
        lost = "the object store answers" if code else "no connection, or it was lost:"
        return f"{lost} {what}. Once it works, start the same command again: what is complete is kept"
    return f"the object store, or its library, says {what}. Check the address, and {_ACCOUNT}"


def _code(error: Exception) -> str | None:
    """What the store has answered, such as `NoSuchBucket`; None where it has not answered."""
    answer = getattr(error.__cause__, "response", None)
    code = answer.get("Error", {}).get("Code") if isinstance(answer, dict) else None
    return None if code is None else str(code)
