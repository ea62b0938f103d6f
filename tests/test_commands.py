"""Every command in README, CONTRIBUTING and docs/ is executed somewhere, or says why not; and what it names exists."""

import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from kedro.framework.cli.utils import _split_params
from pydantic import ValidationError

from chest_cancer.parameters.blocks import Parameters
from conftest import PROJECT

PAGES = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted((PROJECT / "docs").glob("*.md"))]
RUN_AS_THEY_ARE = "deploy-aws.md"
"""Whose `bash` blocks tests/ship/test_aws.py takes from the page."""

BLOCK = re.compile(r"^ *```(console|bash)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
QUOTED = re.compile(r"(?<!`)`([^`\n]+(?:\n[^`\n]+)?)`(?!`)")
COMMAND = re.compile(
    r"(?:[A-Z_]+=\S+ )?(?:\.venv/bin/|make |kedro (?:run|record|study|phantoms|archive)|python -m (?!venv)|docker |dvc "
    r"|pip install |git (?:tag|push|checkout) |aws |\./\w+\.sh |deploy/\w+\.sh)"
)
"""What quoted words in a text begin with, if they are a command."""


def commands_on(page: Path) -> Iterator[str]:
    """Find the commands of a page: in `console` and `bash` blocks, and quoted in its text."""
    text = page.read_text()
    for kind, block in BLOCK.findall(text):
        if kind == "bash" and page.name == RUN_AS_THEY_ARE:
            continue
        lines = (line.strip() for line in re.sub(r"\\\n\s*", "", block).splitlines())
        yield from (plain(line.removeprefix("$ ")) for line in lines if kind == "bash" or line.startswith("$ "))
    for quoted in QUOTED.findall(BLOCK.sub("", text)):
        if COMMAND.match(quoted):
            yield plain(quoted)


def plain(command: str) -> str:
    """Take a command without its comment, the folder of its program and doubled spaces."""
    bare = re.sub(r"\s+", " ", re.sub(r"\s# .*", "", command)).strip()
    return re.sub(r"(?<!\. )\.venv/bin/", "", bare)


def fits(command: str, pattern: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), command) is not None


COMMANDS = sorted({command for page in PAGES for command in commands_on(page)})
LISTED: dict[str, dict[str, str]] = yaml.safe_load((PROJECT / "tests/documented_commands.yml").read_text())
CI = "".join(path.read_text() for path in (PROJECT / ".github/workflows/ci.yml", PROJECT / ".ci/run"))


def is_run_by_ci(command: str) -> bool:
    target = re.fullmatch(r"make ([a-z-]+)", command)
    return target is not None and re.search(rf"\bmake {target[1]}\b(?!-)", CI) is not None


def is_listed(command: str) -> bool:
    return is_run_by_ci(command) or any(fits(command, pattern) for part in LISTED.values() for pattern in part)


def test_pages_have_commands() -> None:
    assert len(COMMANDS) > 50
    assert {"make run", "kedro run --env test"} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_executed_or_says_why_not(command: str) -> None:
    assert is_listed(command), "Add it to tests/documented_commands.yml: the test that runs it, or why none does."


@pytest.mark.parametrize("command", ["kedro run --pipelines gone", "make gone", "curl http://127.0.0.1:8080/gone"])
def test_a_command_that_nobody_listed_is_found(command: str) -> None:
    assert not is_listed(command)


@pytest.mark.parametrize("pattern", [pattern for part in LISTED.values() for pattern in part])
def test_what_is_listed_is_on_a_page(pattern: str) -> None:
    assert any(fits(command, pattern) for command in COMMANDS)


@pytest.mark.parametrize("place", sorted(set(LISTED["run"].values())))
def test_the_test_that_runs_it_exists(place: str) -> None:
    file, _, name = place.partition("::")

    assert (PROJECT / file).is_file()
    assert not name or f"def {name}(" in (PROJECT / file).read_text()


def options_of(command: str, name: str) -> list[str]:
    words = shlex.split(command)
    return [value for option, value in pairwise(words) if option == name]


RUNS = [command for command in COMMANDS if command.startswith("kedro run") and not re.search(r"<(?!folder)", command)]


@pytest.mark.parametrize("command", RUNS)
def test_every_run_names_pipelines_and_an_environment_that_exist(command: str) -> None:
    pipelines = [name for value in options_of(command, "--pipelines") for name in value.split(",")]

    assert all((PROJECT / "src/chest_cancer/pipelines" / name).is_dir() for name in pipelines)
    assert all((PROJECT / "conf" / name).is_dir() for name in options_of(command, "--env"))


@pytest.mark.parametrize("command", [command for command in RUNS if "--params" in command])
def test_every_run_has_parameters_that_a_run_would_take(command: str) -> None:
    Parameters.model_validate(nested(options_of(command, "--params")[0]))


@pytest.mark.parametrize("wrong", ["model_training.epoch=3", "model_training.epochs=0"])
def test_a_parameter_that_a_run_would_refuse_is_found(wrong: str) -> None:
    with pytest.raises(ValidationError):
        Parameters.model_validate(nested(wrong))


def nested(options: str) -> dict[str, Any]:
    """Read `--params` as Kedro does."""
    return _split_params(None, None, options)


def test_help_lists_every_target_that_is_documented_in_groups() -> None:
    shown = subprocess.run(["make", "help"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    targets = {target for command in COMMANDS for target in re.findall(r"^(?:\S+=\S+ )?make ([a-z-]+)", command)}

    assert targets <= {line.split()[0] for line in shown.splitlines() if line.startswith("  ")}
    assert re.findall(r"^(\w+)$", shown, re.MULTILINE) == ["Begin", "Look", "Serve", "Check", "Ship"]


def test_what_inspect_looks_at_is_what_the_parameters_name_unless_a_source_is_given() -> None:
    given = make("inspect", "--dry-run", "SOURCE=~/some slices.zip").stdout

    assert "--params 'data_ingestion.source=~/some slices.zip'" in given
    assert "--params" not in make("inspect", "--dry-run").stdout


def test_inspect_takes_paths_with_quotes_and_says_what_to_do_with_commas() -> None:
    quoted = make("inspect", "--dry-run", "SOURCE=/scans/O'Brien").stdout
    divided = make("inspect", "--dry-run", "SOURCE=/scans, 2024")

    assert "data_ingestion.source=/scans/O'Brien" in shlex.split(quoted)
    assert divided.returncode == 2
    assert "Write it into conf/local/parameters.yml, as data_ingestion.source" in divided.stderr


SERVERS = {"serve": ".venv/serve", "viz": ".venv/train", "mlflow": ".venv/train", "notebook": ".venv/notebook"}


def test_what_documented_commands_write_into_the_project_is_no_change_of_its_code() -> None:
    folders = {folder for command in COMMANDS for folder in re.findall(r"--out (\w+)", command)}

    assert {"answers", "phantoms"} <= folders
    assert {f"/{folder}/" for folder in folders} <= set((PROJECT / ".gitignore").read_text().splitlines())


def test_notebooks_open_for_root_too_as_people_are_in_containers() -> None:
    command = make("notebook", "--dry-run").stdout

    assert "jupyter lab" in command
    assert ("jupyter lab --allow-root " in command) == (os.getuid() == 0)


def make(target: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Call a target; what it needs is installed already."""
    installed = ["-o", SERVERS.get(target, ".venv/train"), f"BIN={Path(sys.executable).parent}"]
    of_a_caller = ("PORT", "SOURCE", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")  # `make test` is one
    environment = {name: value for name, value in os.environ.items() if name not in of_a_caller}
    return subprocess.run(
        ["make", *installed, target, *arguments], cwd=PROJECT, capture_output=True, text=True, env=environment
    )


def test_every_server_has_a_port_of_its_own_that_can_be_set() -> None:
    asked = {target: re.findall(r"--port (\d+)|PORT=(\d+) ", make(target, "--dry-run").stdout) for target in SERVERS}
    ports = {target: "".join(found[-1]) for target, found in asked.items()}

    assert ports == {"serve": "8080", "viz": "4141", "mlflow": "5000", "notebook": "8888"}
    for target, port in ports.items():
        chosen = make(target, "--dry-run", "PORT=4711").stdout
        assert "4711" in chosen
        assert port not in chosen


@pytest.mark.parametrize("target", ["mlflow", "viz"])
def test_a_page_of_others_opens_without_their_warnings_of_themselves(target: str) -> None:
    assert f"PYTHONWARNINGS=ignore {Path(sys.executable).parent}/kedro {target} " in make(target, "--dry-run").stdout


@pytest.mark.parametrize("target", SERVERS)
def test_a_port_that_is_in_use_is_said_before_anything_starts_with_the_cure(target: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused = make(target, f"PORT={port}")

    assert refused.returncode != 0
    assert f"Port {port} is in use. Choose another one: make {target} PORT={port + 1}" in refused.stderr
    assert refused.stdout == ""
