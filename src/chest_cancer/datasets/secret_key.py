"""A secret of this project, as a catalog entry: made when it is first needed, and kept out of git."""

import os
import secrets
import tempfile
from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

_BYTES = 32


class SecretKeyDataset(AbstractDataset[NoReturn, bytes]):
    """Random bytes in a file that only its owner may read. They can't be saved: another key would give other hashes."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        """Name the file; its folder must not be in git.

        Args:
            filepath: The file, 64 hexadecimal digits.
            metadata: For other tools; not used here.
        """
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> bytes:
        """Read the key, which is made when there is none; of two processes that make one, both get the first.

        Raises:
            DatasetError: The file holds something else, or can't be made or read.
        """
        try:
            if not self._filepath.exists():
                self._make()
            text = self._filepath.read_text().strip()
        except OSError as error:
            raise DatasetError(
                f"{self._filepath}, the key of patients' hashes, can't be read or made: {error.strerror}. Expected a "
                "folder that outlasts this run and that its user may write to (in a container, a volume), or the "
                "project's key there."
            ) from error
        try:
            key = bytes.fromhex(text)
        except ValueError:
            key = b""
        if len(key) != _BYTES:
            raise DatasetError(
                f"{self._filepath} holds no key: expected {2 * _BYTES} hexadecimal digits. Received: {len(text)} "
                "characters. Restore it, or delete it for a new one: patients get other hashes then."
            )
        return key

    def _make(self) -> None:
        self._filepath.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{self._filepath.name}.", dir=self._filepath.parent)
        with os.fdopen(descriptor, "w") as file:  # only its owner can read it
            file.write(secrets.token_hex(_BYTES) + "\n")
        try:
            os.link(name, self._filepath)
        except FileExistsError:
            pass
        finally:
            Path(name).unlink()

    def save(self, data: NoReturn) -> None:
        """Refuse.

        Raises:
            DatasetError: Always.
        """
        raise DatasetError(f"{self._filepath} is made once and can't be saved.")

    def _exists(self) -> bool:
        return True  # made when it is loaded

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}
