"""A random walk over what people do to a project: whatever they do, no result belongs to something else.

`make walk-test WALKS=200` takes an hour and more; each walk is a few real runs on small sources, killed, mixed and
repeated. Each is a process of its own, forked from one that has imported TensorFlow and MLflow already.
"""

import atexit
import hashlib
import json
import multiprocessing
import os
import random
import runpy
import shutil
import signal
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from PIL import Image

from chest_cancer.imaging.decoding import decode_image
from chest_cancer.imaging.phantoms.generate import generate_phantoms
from chest_cancer.imaging.pixels import pixel_digest
from chest_cancer.imaging.standardise import standardise
from chest_cancer.network.runtime import Network
from chest_cancer.parameters.blocks import StandardisationParameters
from conftest import PROJECT, copy_project

WALKS = int(os.environ.get("WALKS", "3"))
STEPS = 4
SOURCES = ("A", "B")
PIPELINES = sorted(
    path.parent.name
    for path in PROJECT.glob("src/chest_cancer/pipelines/*/pipeline.py")
    if path.parent.name != "hyperparameter_search"
)
PARAMETERS = (
    "model_evaluation.audits=false,model_training.head=linear,feature_extraction.precision=fp32,"
    "data_ingestion.source={source},batch_inference.source={source}"
)
SECONDS = 300
ENDED = {"FINISHED", "FAILED", "KILLED"}
DATABASES: list[Path] = []
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["walk.warm"])
os.environ["PYTHONPATH"] = f"{PROJECT}/src:{PROJECT}/tests"  # before Python 3.13 it does not look where we do


class Run:
    """A `kedro run` in a process of its own."""

    def __init__(self, project: Path, source: str, pipelines: str | None) -> None:
        named = [] if pipelines is None else ["--pipelines", pipelines]
        arguments = ["run", "--env", "test", *named, "--params", PARAMETERS.format(source=source)]
        self._log = Path(tempfile.mkstemp(dir=project.parent)[1])
        self._process = CONTEXT.Process(target=run_kedro, args=(project, arguments, self._log))
        self._process.start()

    def wait(self, seconds: float = SECONDS) -> int | None:
        """The exit code; None while it runs."""
        self._process.join(seconds)
        return self._process.exitcode

    def stop(self, number: signal.Signals) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")


def run_kedro(project: Path, arguments: list[str], log: Path) -> None:
    """Be what the shell starts: in the project's folder, with default signals, and with an end as any other's."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(project)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = ["kedro", *arguments]
    try:
        runpy.run_module("kedro", run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()


class Walk(RuleBasedStateMachine):
    """One project, in a folder of its own, that everything happens to."""

    pictures: ClassVar[dict[str, np.ndarray]] = {}
    expected: ClassVar[dict[str, np.ndarray]] = {}
    """Features of all walks, by the digest of their picture: the same ones come again."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="walk-"))
        self.project = self.folder / "project"
        self.project.mkdir()
        copy_project(self.project)
        self.drawn = 0
        for source in SOURCES:
            for number in range(16):
                self.draw(source, number)

    def draw(self, source: str, number: int) -> None:
        """Put a picture that this project has not seen under a name that every source has."""
        (phantom,) = generate_phantoms((("normal", "adenocarcinoma")[number % 2],), 1, seed=self.drawn)
        self.drawn += 1
        path = self.project / source / phantom.label / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(phantom.image).save(path)
        pixels = decode_image(path.read_bytes()).pixels
        self.pictures[pixel_digest(pixels)] = pixels

    def start(self, source: str, pipelines: str | None) -> Run:
        return Run(self.project, source, pipelines)

    @initialize(new=st.booleans())
    def have_a_record_or_none(self, new: bool) -> None:
        """To make a record takes seconds, and is something that two runs may do at once."""
        if not new:
            shutil.copy(DATABASES[0], self.project / "mlflow.db")

    @rule(source=st.sampled_from(SOURCES))
    def run_all(self, source: str) -> None:
        run = self.start(source, None)
        assert run.wait() == 0, run.output

    @rule(source=st.sampled_from(SOURCES), pipeline=st.sampled_from(PIPELINES))
    def run_one_pipeline(self, source: str, pipeline: str) -> None:
        """It ends well, or it stops with words."""
        run = self.start(source, pipeline)
        assert run.wait() in (0, 1), run.output

    @rule(
        source=st.sampled_from(SOURCES),
        number=st.sampled_from([signal.SIGINT, signal.SIGTERM, signal.SIGKILL]),
        seconds=st.floats(0.2, 12),
    )
    def kill(self, source: str, number: signal.Signals, seconds: float) -> None:
        run = self.start(source, None)
        if run.wait(seconds) is None:
            run.stop(number)
            assert run.wait() is not None, run.output

    @rule(source=st.sampled_from(SOURCES), number=st.integers(0, 15))
    def change_a_picture(self, source: str, number: int) -> None:
        self.draw(source, number)

    @rule(seed=st.integers(0, 2**32 - 1))
    def delete_something(self, seed: int) -> None:
        made = sorted(path for path in (self.project / "data").glob("*/*") if not path.name.startswith("."))
        if made:
            path = random.Random(seed).choice(made)  # noqa: S311  # which of what there is
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    @rule(first=st.sampled_from(SOURCES), second=st.sampled_from(SOURCES))
    def run_two_at_once(self, first: str, second: str) -> None:
        runs = [self.start(source, None) for source in (first, second)]
        codes = [run.wait() for run in runs]
        assert sorted(codes) in ([0, 0], [0, 1]), [run.output for run in runs]
        for run, code in zip(runs, codes, strict=True):
            assert code == 0 or "Another run is using" in run.output, run.output

    @invariant()
    def features_are_those_of_their_pictures(self) -> None:
        store = self.project / "data" / "04_feature" / "store"
        base = self.project / "data" / "06_models" / "frozen_base.onnx"
        files = [np.load(path) for path in store.glob("*/*.npy")]
        rows = {
            key.decode(): row
            for file in files
            for key, row in zip(file["pixel_sha256"], file["embedding"], strict=True)
        }
        missing = [key for key in rows if key not in self.expected]
        assert set(missing) <= set(self.pictures)
        if missing and base.is_file():
            network, chosen = Network(base, "fp32"), StandardisationParameters()
            batch = np.stack([standardise(self.pictures[key], chosen).pixels for key in missing])
            self.expected |= dict(zip(missing, network(batch)["embedding"], strict=True))
        for key, row in rows.items():
            if key in self.expected:
                np.testing.assert_allclose(row, self.expected[key], rtol=1e-3, atol=1e-3)

    @invariant()
    def every_record_is_true(self) -> None:
        for run, status in self.query("SELECT run_uuid, status FROM runs"):
            parameters = dict(self.query("SELECT key, value FROM params WHERE run_uuid = ?", run))
            assert status in {*ENDED, "RUNNING"}  # which SIGKILL leaves until the next run, see `teardown`
            for manifest in self.project.glob(f"mlartifacts/**/{run}/**/manifest.json"):
                facts = json.loads(manifest.read_text())
                assert facts["data"]["location"] == parameters.get("data_ingestion.source", facts["data"]["location"])

    @invariant()
    def what_is_served_was_evaluated_and_promoted(self) -> None:
        served = self.project / "data" / "06_models" / "classifier"
        if not (served / "manifest.json").is_file():
            return
        manifest = (served / "manifest.json").read_bytes()
        digests = {
            value for (value,) in self.query("SELECT value FROM model_version_tags WHERE key = 'manifest_sha256'")
        }
        assert hashlib.sha256(manifest).hexdigest() in digests
        run = json.loads(manifest)["provenance"]["mlflow_run_id"]
        figures = json.loads((served / "metrics.json").read_text())
        recorded = dict(self.query("SELECT key, value FROM latest_metrics WHERE run_uuid = ?", run))
        if "test/accuracy" in recorded:  # trained and evaluated in one run
            assert recorded["test/accuracy"] == figures["accuracy"]["value"]

    def query(self, sql: str, *values: str) -> list[tuple[Any, ...]]:
        database = self.project / "mlflow.db"
        if not database.is_file():
            return []
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            return connection.execute(sql, values).fetchall()

    def teardown(self) -> None:
        """After one more run no run is left open, whatever ended it."""
        if self.query("SELECT 1 FROM runs"):
            self.run_one_pipeline("A", "model_preparation")
            assert {status for (status,) in self.query("SELECT status FROM runs")} <= ENDED
        shutil.rmtree(self.folder)


def test_no_walk_makes_a_result_that_belongs_to_something_else(mlflow_database: Path) -> None:
    DATABASES.append(mlflow_database)
    run_state_machine_as_test(
        Walk,
        settings=settings(
            max_examples=WALKS,
            stateful_step_count=STEPS,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
