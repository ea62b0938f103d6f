"""What a run is asked for from outside: the settings that it starts from, and what differs from them.

Every field stands for a parameter, and is checked as that parameter is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kedro.config import OmegaConfigLoader
from pydantic import ValidationError

from chest_cancer.parameters.blocks import Parameters
from chest_cancer.parameters.values import nest

FIELDS = {
    "folder": "data_ingestion.source",
    "table": "data_ingestion.table.path",
    "epochs": "model_training.epochs",
    "head": "model_training.head",
    "replaces": "model_evaluation.replaces",
}
"""Name of a field to its parameter."""

_WHERE_FOLDERS_LIE = "expected a folder or an archive below the allowed one"
_NO_FOLDERS = (
    "folders of this machine are not allowed here unless CHEST_CANCER_TRAIN_ROOT names a folder that they lie in"
)


class OrderError(ValueError):
    """A run that can't be asked for.

    Attributes:
        problems: What is wrong, by the name of the field.
    """

    def __init__(self, problems: dict[str, str]) -> None:
        super().__init__(" ".join(problems.values()))
        self.problems = problems


@dataclass(frozen=True)
class TrainingOrder:
    """A run that may be started.

    Attributes:
        environment: The Kedro environment whose settings it starts from.
        parameters: What differs from them, by names such as `model_training.epochs`.
    """

    environment: str
    parameters: dict[str, Any]

    def nested(self) -> dict[str, Any]:
        """The parameters in blocks, as `kedro run` takes them: text from outside is no reference to another value."""
        return nest(
            {
                name: value.replace("${", r"\${") if isinstance(value, str) else value
                for name, value in self.parameters.items()
            }
        )


def environments(project: Path) -> list[str]:
    """List the Kedro environments that a run may start from, the usual one first."""
    found = sorted(path.name for path in (project / "conf").iterdir() if path.is_dir())
    return ["local", *(name for name in found if name not in ("base", "local", "registry"))]


def describe_images(project: Path, environment: str) -> str:
    """Say of which images a run is that starts from an environment's settings.

    Args:
        project: The folder with `conf/`.
        environment: One of `environments`.

    Returns:
        Kind and name, without folders, accounts and queries; or that the settings can't be read.
    """
    return _describe(project, environment, _state_of(project / "conf" / "base", project / "conf" / environment))


def _state_of(*folders: Path) -> tuple[int, ...]:
    """What changes when a settings file does: reading them all takes a tenth of a second."""
    files = sorted(path for folder in folders for path in folder.rglob("*.y*ml"))
    return tuple(number for path in files for number in (path.stat().st_mtime_ns, path.stat().st_size))


@lru_cache(maxsize=64)
def _describe(project: Path, environment: str, _state: tuple[int, ...]) -> str:
    try:
        parameters = Parameters.model_validate(_read_settings(project, environment, {})).data_ingestion
    except ValueError:
        return "settings that can't be read"
    source = parameters.source
    if source == "phantom":
        return f"{parameters.phantom.images} synthetic phantoms"
    if source.startswith("gdrive:") or "google.com" in source:
        return "an archive on Google Drive"
    host = urlsplit(source).hostname
    return f"images from {host}" if host else f"images of {Path(source).name}"


def check_order(
    given: Mapping[str, Any], project: Path, *, root: Path | None = None, archive: str | None = None
) -> TrainingOrder:
    """Check what a run is asked for, before it is started.

    Args:
        given: `environment` and the fields of `FIELDS`, as text or numbers. What is None stays as the settings are.
        project: The folder with `conf/`.
        root: The folder that `folder` has to lie in; None: none may be named.
        archive: An archive of images that came along, its path seen from the project.

    Returns:
        The order.

    Raises:
        OrderError: A name is unknown, or a value is not what its parameter takes: says so at each field.
    """
    if unknown := given.keys() - FIELDS.keys() - {"environment"}:
        known = ", ".join(["environment", *FIELDS])
        raise OrderError({name: f"Expected only {known}. Received: {name[:40]!r}." for name in sorted(unknown)})
    environment = given.get("environment", "local")
    said = {name: value for name, value in given.items() if name != "environment" and value is not None}
    if environment not in (choices := environments(project)):
        raise OrderError({"environment": f"Expected `environment` to be one of {', '.join(choices)}."})
    problems = {name: "expected one value" for name, value in said.items() if isinstance(value, bool | dict | list)}
    wanted = {FIELDS[name]: value for name, value in said.items() if name not in problems}
    if "folder" in said and "folder" not in problems:
        place = _below(root, said["folder"])
        wanted[FIELDS["folder"]] = str(place)
        if place is None:
            problems["folder"] = _WHERE_FOLDERS_LIE if root else _NO_FOLDERS
        elif archive is not None:
            problems["folder"] = "expected an archive to upload or a folder, not both"
    if archive is not None:
        wanted[FIELDS["folder"]] = archive
    if FIELDS["folder"] in wanted:
        wanted["data_ingestion.sha256"] = None  # which the settings may say of theirs
    if "table" in said and "table" not in problems and not _is_inside(said["table"], project):
        problems["table"] = "expected a path inside of the archive or folder"
    problems = {name: f"`{FIELDS[name]}`: {text}. Received: {said[name]!r}" for name, text in problems.items()}
    return TrainingOrder(environment, _validated(TrainingOrder(environment, wanted), project, problems))


def _below(root: Path | None, folder: Any) -> Path | None:
    """The path of a folder or archive below the one that is allowed; None where there is none."""
    if root is None:
        return None
    try:
        place = root.resolve()
        found = (place / str(folder)).resolve()
        return found if found.is_relative_to(place) and found.exists() else None
    except (OSError, RuntimeError, ValueError):  # too long, a circle of links, or no name at all
        return None


def _is_inside(table: Any, project: Path) -> bool:
    """Say whether a table can only lie inside of the source: a run would read any other file of this machine, too."""
    path = Path(str(table))
    try:
        is_elsewhere = path.is_absolute() or str(table).startswith("~") or (project / path).exists()
    except OSError:  # too long for a name
        return False
    return not is_elsewhere and ".." not in path.parts


def _validated(order: TrainingOrder, project: Path, problems: dict[str, str]) -> dict[str, Any]:
    """The order's parameters, with the types that they have in a run.

    Raises:
        OrderError: There are problems already, or one takes another value.
    """
    try:
        checked = Parameters.model_validate(_read_settings(project, order.environment, order.nested()))
    except ValidationError as error:
        fields = {parameter: field for field, parameter in FIELDS.items()}
        for problem in error.errors():
            name = ".".join(map(str, problem["loc"]))
            said = f"`{name}`: {problem['msg']}. Received: {problem['input']!r}"
            problems.setdefault(fields.get(name, "environment"), said)
        raise OrderError(problems) from None
    except ValueError as error:
        raise OrderError({"environment": f"The settings of {order.environment} can't be read: {error}"}) from None
    if problems:
        raise OrderError(problems)
    return {name: attrgetter(name)(checked) for name in order.parameters}


def _read_settings(project: Path, environment: str, changed: dict[str, Any]) -> dict[str, Any]:
    loader = OmegaConfigLoader(
        str(project / "conf"),
        env=environment,
        base_env="base",
        default_run_env="local",
        merge_strategy={"parameters": "soft"},
        runtime_params=changed,
    )
    try:
        settings: dict[str, Any] = loader["parameters"]
    except Exception as error:  # of Kedro, OmegaConf or PyYAML, whatever somebody wrote there
        raise ValueError(str(error).strip().splitlines()[0]) from error
    return settings
