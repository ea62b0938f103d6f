"""Batches on Ray nodes that are processes of their own, and the command that a user gives."""

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from psutil import process_iter

from batch_run import make_table
from conftest import PROJECT, Pixels
from kedro_process import SECONDS
from record import ray_nodes
from record.servers import kedro, succeed, wait_until
from tiny_classifier import tiny_classifier

PATHS = os.pathsep.join(str(PROJECT / name) for name in ("src", "tests", "."))
RAY = {
    "PYTHONPATH": PATHS,
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1",  # also where a cluster of one node was started in this process before
}
ALONE = ["unshare", "--net", "--pid", "--fork", "--mount-proc", "--kill-child"]


def is_allowed() -> bool:
    return subprocess.run([*ALONE, "ip", "link", "set", "lo", "up"], capture_output=True).returncode == 0


@pytest.fixture
def source(tmp_path: Path, picture: Callable[..., Pixels]) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    for number in range(200):
        Image.fromarray(picture(number, 40, 48)).save(folder / f"{number:03}.png")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.parquet")}


@pytest.mark.skipif(not is_allowed(), reason="no network of its own: `unshare` is not allowed, as root it is")
def test_two_nodes_of_which_one_is_killed_make_the_table_of_one_process(source: Path, tmp_path: Path) -> None:
    inside = f"ip link set lo up && exec {sys.executable} {ray_nodes.__file__} {source} {tmp_path / 'nodes'}"

    run = subprocess.run(
        [*ALONE, "sh", "-c", inside], env=os.environ | RAY, capture_output=True, text=True, timeout=SECONDS
    )

    assert run.returncode == 0, run.stderr
    assert "2 workers of a Ray cluster with 2 nodes" in run.stderr
    assert "killed" in run.stdout
    make_table(source, tmp_path / "local")
    assert contents(tmp_path / "nodes" / "predictions") == contents(tmp_path / "local" / "predictions")


def test_a_run_starts_its_own_cluster_and_ends_it(project_copy: Path, source: Path) -> None:
    classifier = project_copy / "data/06_models/classifier"
    classifier.mkdir(parents=True)
    tiny_classifier().save(classifier)
    token = secrets.token_hex(32)
    tables = {}
    for engine in ("local", "ray"):
        parameters = f"batch_inference.source={source},batch_inference.engine={engine},batch_inference.workers=2"
        process = kedro(
            project_copy, "run", "--pipelines", "batch_inference", "--params", parameters, RAY_AUTH_TOKEN=token
        )
        log = succeed(process)
        assert ("workers of a Ray cluster" in log) == (engine == "ray")
        tables[engine] = contents(project_copy / "data/07_model_output/predictions")
        shutil.rmtree(project_copy / "data/07_model_output")

    # Workers end when they notice that their node has.
    wait_until(lambda: not any(token in (one.info["environ"] or {}).values() for one in process_iter(["environ"])))
    assert len(tables["local"]) == 16
    assert tables["local"] == tables["ray"]
