"""compose.yaml: its services' own commands and health checks, run here, with a real PostgreSQL."""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import yaml

from chest_cancer.network.classifier import Classifier
from conftest import PROJECT

SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((PROJECT / "compose.yaml").read_text())["services"]
PASSWORD = "not4others"
POSTGRESQL = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def fill_in(text: str, places: Mapping[str, object]) -> str:
    for place, value in places.items():
        text = text.replace(place, str(value))
    return text


@dataclass(frozen=True)
class Database:
    """A PostgreSQL server with an empty database, as the image of the service `postgres` makes it."""

    port: int

    def run(self, *command: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
        """Run one of PostgreSQL's commands as within its container."""
        assert POSTGRESQL
        environment = os.environ | {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGPASSWORD": PASSWORD}
        return subprocess.run(
            [POSTGRESQL / command[0], *command[1:]], env=environment, capture_output=True, timeout=60, **options
        )


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    if POSTGRESQL is None:
        pytest.skip("Found no PostgreSQL in /usr/lib/postgresql: install it with apt.")
    settings = SERVICES["postgres"]["environment"]
    # PostgreSQL does not run as root.
    user = "nobody" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp())
    (folder / "password").write_text(PASSWORD)
    if user:
        for path in (folder, folder / "password"):
            os.chown(path, pwd.getpwnam(user).pw_uid, -1)
    initialise = ["initdb", "--auth=scram-sha-256", f"--username={settings['POSTGRES_USER']}", "--encoding=UTF8"]
    initialise += [f"--pwfile={folder / 'password'}", f"--pgdata={folder / 'data'}"]
    subprocess.run([POSTGRESQL / initialise[0], *initialise[1:]], check=True, capture_output=True, user=user, cwd="/")
    database = Database(free_port())
    options = ["-p", str(database.port), "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [POSTGRESQL / "postgres", "-D", folder / "data", *options], stdout=log, stderr=log, user=user, cwd="/"
        )
    try:
        check = SERVICES["postgres"]["healthcheck"]["test"]
        assert check[0] == "CMD"
        wait_until(lambda: database.run(*check[1:]).returncode == 0)
        made = database.run("createdb", f"--username={settings['POSTGRES_USER']}", settings["POSTGRES_DB"])
        assert made.returncode == 0, made.stderr
        yield database
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(folder)


def wait_until(true: Callable[[], bool], seconds: float = 150) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.2)  # what is waited for is another process


def run(service: str, places: Mapping[str, object], **options: Any) -> subprocess.Popen[bytes]:
    """Start what a service of the image `train` would, outside of its container."""
    definition = SERVICES[service]
    command = [*definition.get("entrypoint", ["kedro"]), *definition.get("command", ["run"])]
    environment = {name: fill_in(value, places) for name, value in definition["environment"].items()}
    arguments = [fill_in(argument, places) for argument in command[1:]]
    program = PROJECT / ".venv/bin" / command[0]
    return subprocess.Popen(
        [program, *arguments], env=os.environ | environment | options.pop("env", {}), start_new_session=True, **options
    )


def finish(process: subprocess.Popen[bytes]) -> None:
    output, _ = process.communicate(timeout=170)
    assert process.returncode == 0, output.decode()


@pytest.fixture(scope="module")
def places(database: Database, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What is elsewhere here than in the containers."""
    port = free_port()
    return {
        "${POSTGRES_PASSWORD}": PASSWORD,
        "@postgres/": f"@127.0.0.1:{database.port}/",
        "--host=0.0.0.0": f"--port={port}",
        "http://mlflow:5000": f"http://127.0.0.1:{port}",
        ":5000": f":{port}",
        "/srv/chest-cancer/mlartifacts": tmp_path_factory.mktemp("mlartifacts"),
        "${MODEL_URI:-models:/VGG16Model@champion}": "models:/VGG16Model@champion",
    }


@pytest.fixture(scope="module")
def mlflow(places: dict[str, object], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The service `mlflow`; its address."""
    folder = tmp_path_factory.mktemp("mlflow")
    with (folder / "log").open("wb") as log:
        server = run("mlflow", places, cwd=folder, stdout=log, stderr=log)
    try:
        check = SERVICES["mlflow"]["healthcheck"]["test"]
        assert check[0] == "CMD"
        command = [fill_in(word, places) for word in check[1:]]
        wait_until(lambda: server.poll() is not None or subprocess.run(command, capture_output=True).returncode == 0)
        assert server.poll() is None, (folder / "log").read_text()
        yield str(places["http://mlflow:5000"])
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait()


@pytest.fixture(scope="module")
def project(mlflow: str, places: dict[str, object], copy: Path) -> Path:
    """A copy of the project in which the service `train` has run."""
    trained = run(
        "train", places, cwd=copy, env={"KEDRO_ENV": "test"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output, _ = trained.communicate(timeout=170)
    assert trained.returncode == 0, output.decode()
    return copy


def test_it_is_what_compose_understands(tool: Callable[[str], Path]) -> None:
    command = [tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", PROJECT / "compose.yaml"]
    assert subprocess.run(command, capture_output=True).returncode == 0


def test_no_secret_is_written_in_it_and_the_example_names_each() -> None:
    text = (PROJECT / "compose.yaml").read_text()
    assert "${POSTGRES_PASSWORD:?" in text
    assert SERVICES["mlflow"]["environment"]["MLFLOW_BACKEND_STORE_URI"].count("${POSTGRES_PASSWORD}") == 1
    example = (PROJECT / ".env.example").read_text()
    for name in ("POSTGRES_PASSWORD=\n", "COMPOSE_PROFILES=", "MODEL_URI=", "MLFLOW_TRACKING_URI="):
        assert name in example


@pytest.mark.parametrize("service", SERVICES)
def test_only_this_machine_reaches_it(service: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[service].get("ports", ()))


def test_what_the_images_user_writes_to_is_its_own_in_the_image() -> None:
    """A new named volume takes over the owner of the folder that it covers."""
    [line] = [line for line in (PROJECT / "Dockerfile").read_text().splitlines() if "chown app:app" in line]
    # With all that is in there: a model that was in the build's context, and its folder, came as root's.
    owned = line.rpartition("chown -R app:app ")[2].split()
    for service in ("mlflow", "train", "model"):
        for volume in SERVICES[service]["volumes"]:
            assert volume.partition(":/srv/chest-cancer/")[2] in owned
    kept = [volume.partition(":/srv/chest-cancer/")[2] for volume in SERVICES["train"]["volumes"]]
    for path in re.findall(r"filepath: (\S+)", (PROJECT / "conf/base/catalog.yml").read_text()):
        assert any(Path(path).is_relative_to(folder) for folder in kept), path
    [volume] = SERVICES["app"]["volumes"]
    assert volume["read_only"]
    assert volume["volume"] == {"nocopy": True}


@pytest.mark.parametrize(("host", "status"), [("mlflow", 200), ("evil.example.org", 403)])
def test_mlflow_answers_its_own_names_only(mlflow: str, host: str, status: int) -> None:
    port = mlflow.rpartition(":")[2]
    connection = HTTPConnection("127.0.0.1", int(port))
    connection.request("GET", "/api/2.0/mlflow/experiments/search?max_results=1", headers={"Host": f"{host}:{port}"})
    assert connection.getresponse().status == status
    connection.close()


def test_what_train_records_model_fetches(project: Path, places: dict[str, object]) -> None:
    classifier = project / "data/06_models/classifier"
    trained = Classifier.load(classifier).manifest
    shutil.rmtree(classifier)
    finish(run("model", places, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT))
    fetched = Classifier.load(classifier)
    assert fetched.manifest == trained
    assert fetched.self_test() is not None
    # Through the server into its store: what is kept beside the project goes with the container.
    assert any(Path(str(places["/srv/chest-cancer/mlartifacts"])).rglob("classifier.onnx"))


@pytest.mark.usefixtures("project")
def test_a_dump_of_the_record_can_be_restored(database: Database) -> None:
    dump = database.run("pg_dump", "--username=mlflow", "--format=custom", "mlflow")
    assert dump.returncode == 0, dump.stderr
    assert database.run("createdb", "--username=mlflow", "restored").returncode == 0
    restore = ["pg_restore", "--username=mlflow", "--clean", "--if-exists", "--dbname=restored"]
    for _ in range(2):  # into an empty database, and over a full one
        done = database.run(*restore, input=dump.stdout)
        assert done.returncode == 0, done.stderr
    query = ["psql", "--username=mlflow", "--dbname=restored", "--tuples-only", "--no-align", "--command"]
    assert database.run(*query, "SELECT name FROM registered_models").stdout == b"VGG16Model\n"
