"""A project after a run, and a browser for the modules that have a `server`."""

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from browsing import CHROMIUM
from chest_cancer.record.tracking import PLACE_TAG
from conftest import PROJECT, copy_project, made_once
from kedro_process import Forks, kedro
from serving import Server

# Pages ask the server again after a while, for people: here after a tenth of it.
HURRY = """for (const name of ["setTimeout", "setInterval"]) {
    const original = window[name];
    window[name] = (action, delay, ...rest) => original(action, delay > 5000 ? delay : delay / 10, ...rest);
}"""


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as a repository, committed, after a run, not to be changed.

    Beside it are `said.log`, what the run printed, and `progress.jsonl`.
    """
    return made_once(tmp_path_factory, "trained", train)


def train(folder: Path) -> Path:
    (folder / "project").mkdir()
    project = copy_project(folder / "project")
    shutil.copy(PROJECT / ".gitignore", project)
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    for command in (["init"], ["add", "--all"], ["commit", "--message", "state"]):
        subprocess.run(["git", "-C", project, *identity, *command], check=True, capture_output=True)
    result = kedro(project, "run", "--env", "test", CHEST_CANCER_PROGRESS=str(folder / "progress.jsonl"))
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    (folder / "said.log").write_text(result.stdout + result.stderr)
    return project


@pytest.fixture(scope="session")
def output(trained: Path) -> str:
    """What the run printed."""
    return (trained.parent / "said.log").read_text()


@pytest.fixture(scope="module")
def project(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the trained project, which a module may change; its record says that it was trained there."""
    copy = Path(shutil.copytree(trained, tmp_path_factory.mktemp("copy") / "project"))
    with closing(sqlite3.connect(copy / "mlflow.db")) as record, record:
        query = "update tags set value = replace(value, ?, ?) where key = ?"
        record.execute(query, [str(trained), str(copy), PLACE_TAG])
    return copy


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    with Forks() as forks:
        yield forks


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    arguments = ["--no-sandbox", "--disable-background-networking", "--no-first-run"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser, server: Server) -> Iterator[BrowserContext]:
    """A browser that has never been here; whatever a page asks of another host, or complains about, fails the test."""
    context = browser.new_context(base_url=server.address, reduced_motion="reduce")
    context.add_init_script(HURRY)
    complaints: list[str] = []
    context.on(
        "request",
        lambda request: request.url.startswith((server.address, "data:", "blob:")) or complaints.append(request.url),
    )
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    context.on("console", lambda message: "Content Security Policy" in message.text and complaints.append(message.text))
    yield context
    context.close()
    assert complaints == []


@pytest.fixture
def page(context: BrowserContext) -> Page:
    page = context.new_page()
    page.set_default_timeout(20_000)
    return page
