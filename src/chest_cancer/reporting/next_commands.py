"""Commands that a run ends with: they go on with what it was given."""

import json
import shlex
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]  # PyYAML ships no types

from chest_cancer.parameters.values import flatten
from chest_cancer.sources.addresses import without_secrets

_AS_GIVEN = "<as given>"


def go_on(command: str, env: str | None, parameters: Mapping[str, Any]) -> str:
    """Give a command the options of the run before it, without which it would work on other images.

    Args:
        command: Any; only `kedro run` takes the options. Its own parameters come before the run's.
        env: Environment of the configuration; None where none was named.
        parameters: Those of `--params`, in blocks.

    Returns:
        The command, quoted for a shell. `<as given>` stands for a value that holds a secret, or that `--params` can't
        hold, such as one with a comma.
    """
    command, _, own = command.partition(" --params ")
    if not command.startswith("kedro run"):
        return command
    given = {name: _value(name.rpartition(".")[2], value) for name, value in flatten(parameters)}
    all_parameters = given | dict(each.split("=", 1) for each in own.split(",") if each)
    options = {"env": env, "params": ",".join(f"{name}={value}" for name, value in all_parameters.items())}
    return " ".join([command, *(f"--{name} {shlex.quote(value)}" for name, value in options.items() if value)])


def _value(name: str, value: Any) -> str:
    """Write a value as `--params` reads it."""
    is_secret = isinstance(value, str) and without_secrets(value) != value
    for text in () if is_secret else (str(value), json.dumps(value, ensure_ascii=False)):
        with suppress(OmegaConfBaseException, YAMLError):
            read = OmegaConf.to_container(OmegaConf.from_dotlist([f"{name}={text}"]))
            if "," not in f"{name}={text}" and read == {name: value}:
                return text
    return _AS_GIVEN
