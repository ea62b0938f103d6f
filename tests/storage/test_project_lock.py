"""One process at a time holds a project."""

import os
import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from chest_cancer.storage.project_lock import LOCK, ProjectHeldError, hold_project

HOLDER = """
import sys
from contextlib import ExitStack
from pathlib import Path
from chest_cancer.storage.project_lock import hold_project
with hold_project(Path(sys.argv[1]), "kedro run"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_held_project_refuses_others_and_names_the_holder_until_it_dies(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"

        expected = rf"is using {re.escape(str(tmp_path))}: process {holder.pid}, `kedro run`, since \d{{4}}-"
        with pytest.raises(ProjectHeldError, match=expected), hold_project(tmp_path, "kedro run"):
            pass
        holder.kill()

    with hold_project(tmp_path, "kedro run"):
        assert f'"pid": {os.getpid()}' in (tmp_path / LOCK).read_text()


def test_a_holder_that_has_not_yet_said_who_it_is_is_respected(tmp_path: Path) -> None:
    with hold_project(tmp_path, "kedro run"):
        (tmp_path / LOCK).write_text("")

        with pytest.raises(ProjectHeldError, match="a process that has just begun"), hold_project(tmp_path, "other"):
            pass


def test_a_project_is_free_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), hold_project(tmp_path, "kedro run"):
        raise KeyboardInterrupt

    with hold_project(tmp_path, "kedro run"):
        pass


def test_shares_hold_a_project_together_and_nobody_else_beside_them(tmp_path: Path) -> None:
    with (
        hold_project(tmp_path, "1/2", work="A"),
        hold_project(tmp_path, "2/2", work="A"),
        pytest.raises(ProjectHeldError, match="Another run is using"),
        hold_project(tmp_path, "kedro run"),
    ):
        pass
    with (
        hold_project(tmp_path, "kedro run"),
        pytest.raises(ProjectHeldError, match="`kedro run`"),
        hold_project(tmp_path, "1/2", work="A"),
    ):
        pass


def test_shares_of_another_work_are_refused_until_the_last_of_the_first_has_ended(tmp_path: Path) -> None:
    with ExitStack() as open_shares:
        first = ExitStack()
        first.enter_context(hold_project(tmp_path, "kedro run", work="`batch_inference.source` 'A'"))
        open_shares.enter_context(hold_project(tmp_path, "kedro run", work="`batch_inference.source` 'A'"))
        first.close()

        expected = (
            rf"of `batch_inference.source` 'A': process {os.getpid()}, `kedro run`, since .* This one is of "
            r"`batch_inference.source` 'B': each would remove what the other has made. Wait until they have ended, or"
        )
        with (
            pytest.raises(ProjectHeldError, match=expected),
            hold_project(tmp_path, "kedro run", work="`batch_inference.source` 'B'"),
        ):
            pass

    with hold_project(tmp_path, "kedro run", work="`batch_inference.source` 'B'"):
        pass
