"""Writes that are whole or absent: to a temporary file beside the target, then renamed over it."""

import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import fsspec
from fsspec.implementations.local import LocalFileOpener, LocalFileSystem


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to; it becomes `path` when the block ends without an error, else it is removed.

    Args:
        path: The file to make or replace. Its folder is made if it is missing.

    Yields:
        The path to write to, in the same folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        temporary = Path(folder) / path.name
        yield temporary
        temporary.replace(path)


class _AtomicOpener(LocalFileOpener):  # type: ignore[misc]  # fsspec ships no types
    """A file that takes its name only when it is closed without an error."""

    def __init__(self, path: str, mode: str, **kwargs: Any) -> None:
        self.target = path
        super().__init__(f"{Path(path).parent}/.{Path(path).name}.{os.getpid()}.tmp", mode, **kwargs)

    def close(self) -> None:
        if not self.closed:
            try:
                super().close()
            except OSError:  # the disk is full: what is there of it takes the room that the next try needs
                Path(self.path).unlink()
                raise
            Path(self.path).replace(self.target)

    def __exit__(self, kind: type[BaseException] | None, *details: object) -> None:
        if kind is None:
            self.close()
        else:
            with suppress(OSError):  # what ended the block is the error to tell
                self.f.close()
            Path(self.path).unlink(missing_ok=True)


class _AtomicText(io.TextIOWrapper):
    """Text written to an atomic file: an error reaches the file, which `TextIOWrapper` would just close."""

    def __exit__(self, kind: type[BaseException] | None, *details: Any) -> None:
        if kind is None:
            self.close()
        else:
            cast(LocalFileOpener, self.buffer).__exit__(kind, *details)


class AtomicLocalFileSystem(LocalFileSystem):  # type: ignore[misc]  # fsspec ships no types
    """fsspec's local file system, with atomic writes for every dataset of kedro-datasets."""

    def open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        """Open a file; see fsspec."""
        if "w" not in mode or "b" in mode:
            return super().open(path, mode, **kwargs)
        text = {name: kwargs.pop(name) for name in ("encoding", "errors", "newline") if name in kwargs}
        return _AtomicText(super().open(path, mode.replace("t", "") + "b", **kwargs), **text)

    def _open(self, path: str, mode: str = "rb", block_size: int | None = None, **kwargs: Any) -> LocalFileOpener:
        if "w" not in mode or kwargs.get("compression"):
            return super()._open(path, mode=mode, block_size=block_size, **kwargs)
        if self.auto_mkdir:
            self.makedirs(self._parent(path), exist_ok=True)
        return _AtomicOpener(path, mode, fs=self, **kwargs)


def install() -> None:
    """Make fsspec's `file` protocol atomic in this process."""
    for protocol in ("file", "local"):
        fsspec.register_implementation(protocol, AtomicLocalFileSystem, clobber=True)
