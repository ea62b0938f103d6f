"""`make image-test`: both images are built, and run as in production; slow, so not among `make test`'s."""

import base64
import io
import json
import shutil
import socket
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from conftest import PROJECT
from ship.engines import Container, Engine, find_engine

Start = Callable[..., tuple[Container, str]]

SAMPLE = PROJECT / "app/static/samples/normal_1.png"


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = find_engine()
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def train(engine: Engine, context: Path) -> str:
    return engine.build("train", context, tag="train-test")


@pytest.fixture(scope="module")
def serve(engine: Engine, context: Path) -> str:
    return engine.build("serve", context, tag="serve-test")


@pytest.fixture(scope="module")
def trained(engine: Engine, train: str) -> str:
    """A volume with what a run in the `train` image leaves."""
    volume = engine.volume()
    run = engine.run(train, "kedro", "run", "--env", "test", writable=volume)
    assert run.returncode == 0, run.stdout + run.stderr
    return volume


@pytest.fixture
def start(engine: Engine) -> Iterator[Start]:
    """Start an image; give the container and the address of its app."""
    containers: list[Container] = []

    def start(image: str, volume: str | None = None) -> tuple[Container, str]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        containers.append(engine.start(image, port, volume))
        return containers[-1], f"http://127.0.0.1:{port}"

    yield start
    for container in containers:
        container.kill()


def get(url: str, data: bytes | None = None) -> tuple[int, bytes]:
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"} if data else {})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def wait_for(url: str, status: int, seconds: float = 30) -> float:
    """Ask until the status comes; return how many seconds that took."""
    begin = time.monotonic()
    answer = None
    while time.monotonic() - begin < seconds:
        try:
            answer = get(url)
        except OSError:
            answer = None
        if answer and answer[0] == status:
            return time.monotonic() - begin
        time.sleep(0.05)  # there is nothing to wait on but the port
    raise AssertionError(f"{url} did not answer {status} within {seconds} s, but {answer}")


def sample() -> bytes:
    return json.dumps({"image": base64.b64encode(SAMPLE.read_bytes()).decode()}).encode()


def check_health(engine: Engine, image: str, url: str) -> int:
    """Run the image's own health check as its engine would."""
    command = engine.settings(image)["Healthcheck"]["Test"]
    assert command[0] == "CMD"
    return engine.run(image, *command[1:], env={"PORT": url.rpartition(":")[2]}).returncode


def test_serve_adds_at_most_450_megabytes_to_its_base(
    engine: Engine, serve: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, base = engine.megabytes(serve), engine.megabytes(engine.base)
    with capsys.disabled():
        print(f"\nserve: {whole:.0f} MB, of which base {base:.0f} MB, added {whole - base:.0f} MB")
    assert whole - base <= 450


def test_serve_holds_what_serving_needs_and_no_more(engine: Engine, serve: str) -> None:
    unwanted = ("tensorflow", "mlflow", "sklearn", "pandas", "dvc", "pip", "pytest")
    code = f"import importlib.util as u; print([name for name in {unwanted} if u.find_spec(name)])"
    assert engine.run(serve, "python3", "-c", code).stdout.strip() == "[]"
    assert engine.run(serve, "sh", "-c", "command -v cc gcc make git curl").stdout == ""
    assert set(engine.run(serve, "ls", "-A").stdout.split()) == {"app", "conf", "data", "src"}
    assert engine.run(serve, "find", "conf/local", "-type", "f").stdout.split() == ["conf/local/.gitkeep"]


@pytest.mark.parametrize("target", ["serve", "train"])
def test_image_says_what_it_is_and_runs_as_a_fixed_user(
    engine: Engine, target: str, request: pytest.FixtureRequest
) -> None:
    image = request.getfixturevalue(target)
    settings = engine.settings(image)
    assert settings["User"] == "10001:10001"
    labels = settings["Labels"]
    assert labels["org.opencontainers.image.title"] == f"chest-cancer-{target}"
    assert {f"org.opencontainers.image.{name}" for name in ("version", "revision", "licenses")} <= set(labels)
    assert not [variable for variable in settings["Env"] if "AWS" in variable or "MLFLOW" in variable]
    assert engine.run(image, "id", "-u").stdout.strip() == "10001"


def test_nothing_in_serve_is_the_users_to_change(engine: Engine, serve: str) -> None:
    # By owner and mode: as seen on a read-only root nothing would be writable anyway.
    theirs = "find /srv /opt /usr /etc /home ! -type l ( -user 10001 -o -group 10001 -perm -g=w -o -perm -o=w )"
    assert engine.run(serve, *theirs.split()).stdout == ""
    assert "Read-only file system" in engine.run(serve, "touch", "/srv/chest-cancer/app/x").stderr


def test_train_says_at_once_where_it_may_not_write(engine: Engine, train: str) -> None:
    refused = engine.run(train, "kedro", "run", "--env", "test")  # on a read-only root, without volumes
    assert refused.returncode != 0
    said = " ".join((refused.stdout + refused.stderr).split())
    assert "/srv/chest-cancer/data can't be written by this user, 10001:10001" in said


def test_without_a_model_it_says_so_and_keeps_running(engine: Engine, serve: str, start: Start) -> None:
    container, url = start(serve)
    wait_for(f"{url}/healthz", 200)
    status, answer = get(f"{url}/readyz")
    assert status == 503
    assert "kedro run" in json.loads(answer)["detail"]
    assert "No model to serve yet" in get(url)[1].decode()
    assert check_health(engine, serve, url) != 0
    assert container.is_running()


def test_what_train_trains_serve_serves_within_4_seconds(
    engine: Engine, serve: str, trained: str, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    _, url = start(serve, trained)
    seconds = wait_for(f"{url}/readyz", 200)
    status, answer = get(f"{url}/predict", sample())
    with capsys.disabled():
        print(f"\nserve: ready after {seconds:.1f} s, predicts {json.loads(answer)[0]['probabilities']}")
    assert status == 200
    assert sum(json.loads(answer)[0]["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert check_health(engine, serve, url) == 0
    assert seconds <= 4


def test_stops_gracefully(serve: str, trained: str, start: Start) -> None:
    container, url = start(serve, trained)
    wait_for(f"{url}/readyz", 200)
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as client, ThreadPoolExecutor() as pool:
        headers = f"Host: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(sample())}"
        client.sendall(f"POST /predict HTTP/1.1\r\n{headers}\r\nExpect: 100-continue\r\n\r\n".encode())
        assert client.recv(100).startswith(b"HTTP/1.1 100")
        stopping = pool.submit(container.stop)  # with the request in flight
        assert wait([stopping], timeout=1).not_done  # it waits for the request
        client.sendall(sample())
        assert client.recv(100).startswith(b"HTTP/1.1 200")
        assert stopping.result() == 0


def test_a_model_in_the_build_context_is_in_the_image_whoever_may_read_it_there(
    engine: Engine, context: Path, trained: str, train: str, start: Start
) -> None:
    files = "data/06_models/classifier"
    archive = engine.run(train, "sh", "-c", f"tar -c {files} | base64", writable=trained).stdout
    with_model = shutil.copytree(context, context.with_name("with-model"))
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(archive))) as tar:
        tar.extractall(with_model, filter="data")
    for part in ("app", "conf", "data", "src"):  # as where the umask is 077
        for path in ((with_model / part), *(with_model / part).rglob("*")):
            path.chmod(0o700 if path.is_dir() else 0o600)
    _, url = start(engine.build("serve", with_model, tag="with-model"))
    wait_for(f"{url}/readyz", 200)
    assert get(f"{url}/predict", sample())[0] == 200
