"""What a run is called, and what was changed in it, so that a list of runs tells them apart."""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from chest_cancer.parameters.blocks import ON_REQUEST, Parameters
from chest_cancer.record.flat_parameters import flat_parameters

DEFAULT = "__default__"
_SAID_ALREADY = (".source", ".sha256", ".head")
_MOST_CHANGES = 3
_MOST_CHARACTERS = 32
_DRIVE = re.compile(r"(?:^gdrive:|drive\.google\.com/.*/d/)([\w-]{1,8})")
_ARCHIVES = re.compile(r"\.(zip|tar|tar\.gz|tgz)$", re.IGNORECASE)


class Change(NamedTuple):
    """A parameter with another value than its default; both are None where they are not set."""

    name: str
    default: Any
    value: Any


class RunParameters(NamedTuple):
    """The parameters that say something of a run.

    Attributes:
        pipelines: Names of the pipelines that it runs; `__default__` for all of the default run.
        values: Parameters by `block.name`, without secrets and without blocks of pipelines that do not run.
        changes: Those that are not the default.
    """

    pipelines: Sequence[str]
    values: Mapping[str, Any]
    changes: Sequence[Change]

    @classmethod
    def of(cls, parameters: Mapping[str, Any], pipelines: Sequence[str]) -> "RunParameters":
        """Take them from all parameters of the project.

        Args:
            parameters: As the configuration has them, a block for each pipeline.
            pipelines: Names of the pipelines that run.
        """
        values, defaults = (
            {name: value for name, value in flat_parameters(dict(of)).items() if _is_of(name, pipelines)}
            for of in (Parameters.model_validate(parameters), Parameters())
        )
        changes = [
            Change(name, defaults.get(name), value) for name, value in values.items() if value != defaults.get(name)
        ]
        return cls(pipelines, values, changes)

    def title(self, head: str | None = None) -> str:
        """Name the run: the images, the head where one is trained, and what was changed.

        Args:
            head: The head that was chosen; by default what the parameters ask for.

        Returns:
            E.g. `Chest-CT-Scan-data · dense · epochs=20`; where nothing is trained, the pipelines come first.
        """
        trains = DEFAULT in self.pipelines or "model_training" in self.pipelines
        asked = next((name for name in ON_REQUEST if name in self.pipelines), "data_ingestion")
        source = self.values.get(f"{asked}.source", self.values["data_ingestion.source"])
        first = [] if trains else [_in_short(self.pipelines)]
        second = [head or self.values["model_training.head"]] if trains else []
        changed = [
            f"{self._short(change.name)}={_cut(change.value)}"
            for change in self.changes
            if not change.name.endswith(_SAID_ALREADY)
        ]
        rest = len(changed) - _MOST_CHANGES
        more = [f"{rest} more change{'' if rest == 1 else 's'}"] if rest > 0 else []
        return " · ".join([*first, data_name(source), *second, *changed[:_MOST_CHANGES], *more])

    def _short(self, name: str) -> str:
        """Shorten a name to the last parts that no other parameter has."""
        parts = name.split(".")
        endings = (".".join(parts[start:]) for start in range(len(parts) - 1, 0, -1))
        return next(
            (end for end in endings if sum(f".{other}".endswith(f".{end}") for other in self.values) == 1), name
        )


def data_name(source: str) -> str:
    """Name images by their source: the last part of an address or a path.

    Args:
        source: Like `data_ingestion.source`.
    """
    if source == "phantom":
        return "phantoms"
    if found := _DRIVE.search(source):
        return f"Google Drive {found[1]}"
    parts = urlsplit(source) if "://" in source else None
    if parts and parts.scheme.startswith("dicomweb"):
        return parts.hostname or source
    return _ARCHIVES.sub("", PurePath(parts.path if parts else source).name) or source


def _is_of(name: str, pipelines: Sequence[str]) -> bool:
    block = name.partition(".")[0]
    return block not in ON_REQUEST or block in pipelines


def _in_short(pipelines: Sequence[str]) -> str:
    return "+".join(pipelines) if len(pipelines) <= 2 else f"{pipelines[0]} to {pipelines[-1]}"


def _cut(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…"
