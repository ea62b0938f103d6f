"""deploy.sh and rollback.sh, under a constant load through the real proxy; only `docker` is a stand-in.

One host serves all tests, as a real one serves all deployments; no test relies on which version serves when it starts.
"""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from conftest import PROJECT
from ship.host import REPOSITORY, SECRET, Host, image, predict


class Load:
    """Clients that ask again and again, half of them on connections that they keep."""

    def __init__(self, port: int, clients: int = 4) -> None:
        self.answered = 0
        self.lost: list[str] = []
        self._port = port
        self._stop = threading.Event()
        self._counting = threading.Lock()
        self._threads = [threading.Thread(target=self._ask, args=[n % 2 == 0]) for n in range(clients)]
        for thread in self._threads:
            thread.start()

    def _ask(self, keep: bool) -> None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=30)
        while not self._stop.wait(0.03):
            try:
                status, answer = predict(connection)
                problem = None if status == 200 else f"{status} {answer}"
            except (OSError, HTTPException) as error:
                problem = repr(error)
            with self._counting:
                self.answered += 1
                if problem:
                    self.lost.append(problem)
            if problem or not keep:
                connection.close()
        connection.close()

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, tool: Callable[[str], Path]) -> Iterator[Host]:
    """A host on which version 1 was deployed."""
    host = Host(tmp_path_factory.mktemp("host"))
    log = host.folder / "caddy.log"
    with log.open("wb") as output:
        command = [tool("caddy"), "run", "--adapter", "caddyfile", "--config", PROJECT / "deploy/Caddyfile"]
        proxy = subprocess.Popen(command, env=host.environment, stdout=output, stderr=output)
    try:
        status, output = host.deploy(host.publish(1))
        assert status == 0, output
        yield host
    finally:
        host.clear()
        proxy.terminate()
        proxy.wait()


@pytest.fixture(scope="module")
def load(host: Host) -> Iterator[Load]:
    load = Load(host.proxy_port)
    yield load
    load.end()


@pytest.fixture(autouse=True)
def no_request_is_lost(load: Load) -> Iterator[None]:
    before = load.answered
    yield
    answered = load.answered
    _wait_until(lambda: load.answered >= answered + 8)
    assert load.answered > before
    assert load.lost == []


def _wait_until(true: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)  # what is waited for is another process


def test_the_new_version_takes_over_and_the_old_one_is_stopped(host: Host) -> None:
    status, output = host.deploy(host.publish(2))
    assert status == 0, output
    assert host.ask() == (200, "run-2")
    assert "chest-cancer-green serves" in output or "chest-cancer-blue serves" in output
    stopped = [one for one in host.containers() if one["image"] != image(2)]
    assert [_is_alive(one["pid"]) for one in stopped] == [False]


def _is_alive(pid: int) -> bool:
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("number", "fault", "reason"),
    [
        (11, {"model": False}, "Not ready within"),
        (12, {"classes": ("normal", "adenocarcinoma")}, "expected the label normal. Received: adenocarcinoma"),
    ],
    ids=["never ready", "answers wrongly"],
)
def test_a_bad_version_is_not_put_into_service(host: Host, number: int, fault: dict, reason: str) -> None:
    _, before = host.ask()
    status, output = host.deploy(host.publish(number, **fault), CHEST_CANCER_READY_SECONDS="8")
    assert status != 0
    assert reason in output
    assert "was not put into service" in output
    assert host.ask() == (200, before)
    assert image(number) not in [one["image"] for one in host.containers()]


def test_a_version_that_cannot_be_pulled_changes_nothing(host: Host) -> None:
    _, before = host.ask()
    containers = host.containers()
    status, output = host.deploy(image(99))
    assert status != 0
    assert f"Could not pull {image(99)}" in output
    assert host.ask() == (200, before)
    assert host.containers() == containers


def test_killed_before_the_switch_the_old_one_serves_and_the_next_run_works(host: Host) -> None:
    _, before = host.ask()
    process = host.start("deploy.sh", host.publish(21, model=False))
    _wait_until(lambda: image(21) in [one["image"] for one in host.containers()])
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert host.ask() == (200, before)
    status, output = host.deploy(host.publish(22))
    assert status == 0, output
    assert host.ask() == (200, "run-22")


def test_killed_after_the_switch_the_new_one_serves_and_the_next_run_works(host: Host) -> None:
    port = (host.home / "port").read_text()
    process = host.start("deploy.sh", host.publish(23), CHEST_CANCER_DRAIN_SECONDS="60")
    _wait_until(lambda: (host.home / "port").read_text() != port)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert host.ask() == (200, "run-23")
    status, output = host.deploy(host.publish(24))
    assert status == 0, output
    assert host.ask() == (200, "run-24")


def test_two_at_once_take_their_turns(host: Host) -> None:
    both = [host.start("deploy.sh", host.publish(number)) for number in (31, 32)]
    assert [(process.communicate(timeout=120)[0], process.returncode)[1] for process in both] == [0, 0]
    assert host.ask()[1] in ("run-31", "run-32")


def test_rollback_returns_to_the_version_before_and_once_more_undoes_it(host: Host) -> None:
    for number in (41, 42, 42):  # 42 twice, as when a workflow is run again
        status, output = host.deploy(host.publish(number) if image(number) not in host.registry else image(number))
        assert status == 0, output
    host.deploy(host.publish(43, model=False), CHEST_CANCER_READY_SECONDS="1")  # fails, and is nothing to return to
    assert host.run("rollback.sh")[0] == 0
    assert host.ask() == (200, "run-41")
    assert host.run("rollback.sh")[0] == 0
    assert host.ask() == (200, "run-42")


def test_only_its_own_old_images_are_removed(host: Host) -> None:
    foreign = "postgres@sha256:" + "7" * 64
    (host.docker / "images.json").write_text(
        json.dumps(json.loads((host.docker / "images.json").read_text()) | {foreign: {"label": "maintainer=another"}})
    )
    _, before = host.ask()
    assert host.deploy(host.publish(51))[0] == 0
    assert host.images() == {foreign, image(51), image(int(before.removeprefix("run-")))}


def test_containers_are_locked_down_and_get_no_aws_key(host: Host) -> None:
    calls = [json.loads(line) for line in (host.docker / "calls.log").read_text().splitlines()]
    runs = [call for call in calls if call[0] == "run"]
    assert runs
    for call in runs:
        options = " ".join(call)
        assert "--read-only" in call
        assert "--cap-drop ALL --security-opt no-new-privileges" in options
        assert "--publish 127.0.0.1:" in options
        assert SECRET not in options
        assert "AWS" not in options


def test_settings_with_an_aws_key_are_refused(host: Host) -> None:
    settings = host.home / "app.env"
    settings.write_text(f"AWS_SECRET_ACCESS_KEY={SECRET}\n")
    try:
        status, output = host.deploy(image(1))
    finally:
        settings.unlink()
    assert status != 0
    assert "app.env holds AWS_ settings" in output


def test_the_self_test_knows_the_apps_settings(host: Host) -> None:
    settings = host.home / "app.env"
    settings.write_text("CHEST_CANCER_ALLOWED_HOSTS=ct.example.org\n")
    try:
        status, output = host.deploy(host.publish(61))
    finally:
        settings.unlink()
    assert status != 0
    assert f"{settings}: expected CHEST_CANCER_ALLOWED_HOSTS to be a JSON list" in output


def test_an_image_by_tag_is_refused(host: Host) -> None:
    status, output = host.deploy(f"{REPOSITORY}:latest")
    assert status != 0
    assert f"Expected an image by digest, <repository>@sha256:<64 digits>. Received: {REPOSITORY}:latest" in output


def test_metrics_are_not_for_the_public(host: Host) -> None:
    connection = HTTPConnection("127.0.0.1", host.proxy_port)
    connection.request("GET", "/metrics")
    assert connection.getresponse().status == 404
    connection.close()
