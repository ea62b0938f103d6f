"""A machine as deploy.sh finds it: real processes of the app, the real proxy; only `docker` is a stand-in."""

import base64
import io
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
from PIL import Image

from chest_cancer.datasets.classifier import ClassifierDataset
from conftest import PROJECT
from serving import CLASSIFIER, make_project, tiny_classifier, with_changes

REPOSITORY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/chest-cancer"
SECRET = "not-for-the-container"


def image(number: int) -> str:
    return f"{REPOSITORY}@sha256:{number:064d}"


def dark_image() -> bytes:
    """What the tiny classifier takes for normal."""
    file = io.BytesIO()
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


class Host:
    """A machine with a proxy, and with what the scripts need in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.docker = folder / "docker"
        (self.home / "self-test").mkdir(parents=True)
        (self.home / "self-test/normal_dark.png").write_bytes(dark_image())
        (self.docker / "containers").mkdir(parents=True)
        self.registry: dict[str, dict[str, str]] = {}
        (folder / "bin").mkdir()
        stand_in = shlex.join([sys.executable, str(PROJECT / "tests/ship/docker_stand_in.py")])
        (folder / "bin/docker").write_text(f'#!/bin/sh\nexec {stand_in} "$@"\n')
        (folder / "bin/docker").chmod(0o755)
        self.proxy_port, *self.ports = _free_ports(3)
        self.environment = os.environ | {
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "DOCKER_STAND_IN": str(self.docker),
            "CHEST_CANCER_HOME": str(self.home),
            "CHEST_CANCER_PORTS": " ".join(map(str, self.ports)),
            "CHEST_CANCER_SITE": f"http://127.0.0.1:{self.proxy_port}",
            "CHEST_CANCER_READY_SECONDS": "30",
            "CHEST_CANCER_DRAIN_SECONDS": "0.5",
            "XDG_CONFIG_HOME": str(folder),
            "XDG_DATA_HOME": str(folder),
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }

    def publish(
        self, number: int, *, classes: tuple[str, ...] = ("adenocarcinoma", "normal"), model: bool = True
    ) -> str:
        """Put a version of the app into the registry; its answers tell its number. Return its image."""
        project = make_project(self.folder / f"version-{number}")
        tiny = tiny_classifier(f"run-{number}")
        said = dict(zip(classes, tiny.manifest.self_test.probabilities.values(), strict=True))
        classifier = with_changes(tiny, classes=classes, self_test={"probabilities": said})
        ClassifierDataset(filepath=str(project / CLASSIFIER)).save(classifier)
        if not model:
            (project / CLASSIFIER / "manifest.json").unlink()
        self._register(image(number), project=str(project), label="org.opencontainers.image.title=chest-cancer-serve")
        return image(number)

    def _register(self, name: str, **made: str) -> None:
        self.registry[name] = {"code": str(PROJECT), "path": str(PROJECT / "src"), "entry": "app:create_app()", **made}
        (self.docker / "registry.json").write_text(json.dumps(self.registry))

    def start(self, script: str, *arguments: str, **settings: str) -> subprocess.Popen[str]:
        command = [str(PROJECT / "deploy" / script), *arguments]
        environment = self.environment | settings
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(command, env=environment, start_new_session=True, **pipes)

    def run(self, script: str, *arguments: str, **settings: str) -> tuple[int, str]:
        process = self.start(script, *arguments, **settings)
        output, _ = process.communicate(timeout=120)
        return process.returncode, output

    def deploy(self, *arguments: str, **settings: str) -> tuple[int, str]:
        return self.run("deploy.sh", *arguments, **settings)

    def images(self) -> set[str]:
        return set(json.loads((self.docker / "images.json").read_text()))

    def containers(self) -> list[dict]:
        return [json.loads(file.read_text()) for file in (self.docker / "containers").iterdir()]

    def clear(self) -> None:
        """End every process that the stand-in started."""
        for container in self.containers():
            with suppress(ProcessLookupError):
                os.killpg(container["pid"], signal.SIGKILL)

    def ask(self) -> tuple[int, str]:
        """Ask the proxy as `predict` does."""
        connection = HTTPConnection("127.0.0.1", self.proxy_port, timeout=30)
        try:
            return predict(connection)
        finally:
            connection.close()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def predict(connection: HTTPConnection) -> tuple[int, str]:
    """Ask for a prediction; return the status and the version that answered."""
    body = json.dumps({"image": base64.b64encode(dark_image()).decode()})
    connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    answer = response.read()
    return response.status, json.loads(answer)[0]["model"]["run_id"] if response.status == 200 else answer.decode()
