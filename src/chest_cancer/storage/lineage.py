"""What each result was made from, kept beside the results, so that none is used with what it doesn't belong to.

A result is known by the digest of its content, the images by the fingerprint of their source. For every result the
ledger has that digest, and those of all that it was made from. Two results belong together where they name the
same one for whatever both were made from. The ledger is a file for each pipeline, which DVC keeps with its results.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from chest_cancer.storage.atomic import replace_file
from chest_cancer.storage.recoverable_folder import locked

_SHOWN = 8


class MixedResultsError(ValueError):
    """What was to be used together was not made from the same."""


@dataclass(frozen=True)
class Lineage:
    """What a result is, and what it was made from.

    Attributes:
        digest: Of its content; None for what was never stored.
        made_from: The same of every result that it was made from, by name.
        pipeline: Which makes it; empty for a source, None where nobody knows what it was made from.
    """

    digest: str | None
    made_from: dict[str, str] = field(default_factory=dict)
    pipeline: str | None = ""


class Ledger:
    """The lineage of all results of a project."""

    def __init__(self, folder: Path) -> None:
        """Name the folder of the ledger's files; it is made when missing."""
        self._folder = folder
        self._digests: dict[tuple[Path, int, int, int], str] = {}

    def read(self) -> dict[str, Lineage]:
        """Read what is known: lineage by name of the result."""
        return {
            name: Lineage(**entry, pipeline=path.stem)
            for path in sorted(self._folder.glob("*.json"))
            for name, entry in json.loads(path.read_text(encoding="utf-8")).items()
        }

    def write(self, name: str, lineage: Lineage) -> None:
        """Note what a result was made from."""
        path = self._folder / f"{lineage.pipeline}.json"
        with locked(self._folder.with_name(f".{self._folder.name}.lock")):  # shares of a batch write at the same time
            entries = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
            entries[name] = {key: value for key, value in asdict(lineage).items() if key != "pipeline"}
            with replace_file(path) as temporary:
                temporary.write_text(json.dumps(entries, indent=1, sort_keys=True) + "\n", encoding="utf-8")

    def digest(self, path: Path) -> str:
        """Digest of a file, or of a folder's files. A file is read once, as long as its size and time stay the same."""
        if path.is_file():
            return self._file_digest(path)
        files = sorted(each for each in path.rglob("*") if each.is_file())
        whole = hashlib.sha256()
        for each in files:
            whole.update(f"{each.relative_to(path).as_posix()}\0{self._file_digest(each)}\0".encode())
        return whole.hexdigest()

    def _file_digest(self, path: Path) -> str:
        status = path.stat()
        key = (path, status.st_ino, status.st_size, status.st_mtime_ns)
        if key not in self._digests:
            with path.open("rb") as file:
                self._digests[key] = hashlib.file_digest(file, "sha256").hexdigest()
        return self._digests[key]


def require_together(
    parts: Mapping[str, Lineage], known: Mapping[str, Lineage], options: Callable[[str], str] = str
) -> dict[str, str]:
    """Require that results belong together.

    Args:
        parts: Those that are to be used together, by name.
        known: All that the ledger knows, to say what must be made anew.
        options: Gives a command that makes something anew the options of this run.

    Returns:
        Digests of all of them, and of all that they were made from, by name.

    Raises:
        MixedResultsError: Two of them were made from different ones: names the result that is out of date, both
            digests, and the command that makes it anew. Or nobody knows what one of several was made from.
    """
    unknown = [name for name, part in parts.items() if part.pipeline is None]
    if unknown and len(parts) > 1:
        pipeline = known[unknown[0]].pipeline if unknown[0] in known else None
        raise MixedResultsError(
            f"Nobody knows what `{unknown[0]}` was made from: it is not what a run left there. Make it again: "
            + (f"`{options(f'kedro run --pipelines {pipeline}')}`, or run" if pipeline else "run")
            + f" everything: `{options('kedro run')}`."
        )
    together = {name: part.digest for name, part in parts.items() if part.digest is not None}
    claims: dict[str, dict[str, str]] = {}
    for name, part in parts.items():
        for origin, digest in part.made_from.items():
            claims.setdefault(origin, {})[name] = digest
    for origin, claimed in claims.items():
        # Without the origin itself: what the ledger says that is there now, else what the first was made from.
        recorded = known[origin].digest if origin in known else None
        first = recorded if recorded in claimed.values() else next(iter(claimed.values()))
        current = together.setdefault(origin, first or "")
        for name, digest in claimed.items():
            if digest != current:
                raise MixedResultsError(_explain(name, origin, parts[name], known, current, options))
    return together


def _explain(
    name: str,
    origin: str,
    part: Lineage,
    known: Mapping[str, Lineage],
    current: str,
    options: Callable[[str], str],
) -> str:
    """Say what is out of date, why, and the cure."""
    old = part.made_from[origin]
    before = [known[each] for each in part.made_from if each in known]
    anew = {each.pipeline or "" for each in before if each.made_from.get(origin) == old} | {part.pipeline or ""}
    pipelines = ",".join(sorted(anew - {""}))
    return (
        f"`{name}` was made from another `{origin}` ({old[:_SHOWN]}) than the one that is used now "
        f"({current[:_SHOWN]}): results of both would be mixed. Make it again: "
        f"`{options(f'kedro run --pipelines {pipelines}')}`, or run everything: `{options('kedro run')}`."
    )
