"""A Ray cluster of two workers, started here: the same rows as without it, whatever ends."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from PIL import Image

from batch_run import make_table
from chest_cancer.network import cluster
from chest_cancer.network.answered_images import answer_images
from chest_cancer.network.cluster import connected, map_on_cluster
from chest_cancer.network.extraction import extract
from chest_cancer.network.mapping import Loaded
from chest_cancer.parameters.blocks import FeatureExtractionParameters
from chest_cancer.parameters.engine import EngineParameters
from chest_cancer.storage.table_parts import TableParts
from cluster_work import EndingClassifier, Squares, end, first_pixels
from conftest import PROJECT, Pixels
from object_store import BUCKET, line_to_s3
from tiny_classifier import tiny_classifier

RAY = EngineParameters(engine="ray", workers=2)


@pytest.fixture(scope="module", autouse=True)
def two_workers() -> Iterator[None]:
    """One cluster for all, as it takes seconds to start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        patch.setenv("PYTHONPATH", os.pathsep.join(str(PROJECT / name) for name in ("src", "tests", ".")))
        with connected(2):
            yield


def test_a_lost_worker_loses_and_doubles_nothing_and_results_come_in_order(tmp_path: Path) -> None:
    marker = tmp_path / "ended"

    results = list(map_on_cluster(Squares(marker), range(20), 2))

    assert marker.exists()
    assert [square for square, _, _ in results] == [number**2 for number in range(20)]
    workers = {process for _, process, _ in results}
    assert os.getpid() not in workers
    assert len(workers) <= 3
    assert {threads for _, _, threads in results} == {1}


def test_what_fails_in_a_worker_is_raised_here(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^Invalid number: 5$"):
        list(map_on_cluster(Squares(tmp_path / "ended", fails_at=5), range(20), None))


def test_a_row_whose_workers_are_lost_again_and_again_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_MOST_LOSSES", 1)

    words = "lost a worker and the 1 that took its work over.*give the nodes more memory"
    with pytest.raises(ConnectionError, match=words):
        list(map_on_cluster(end, [1], 1))


def test_a_node_that_would_compute_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "RUNTIME", "openvino 1.0")

    with pytest.raises(
        ValueError, match=r"expected openvino 1\.0, as where the run was started\. Received: openvino 2"
    ):
        list(map_on_cluster(abs, [1], 1))


def test_a_cluster_that_is_started_here_listens_on_this_machine_alone() -> None:
    listening = []
    for one in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):  # a worker that has just ended
            listening += [each.laddr.ip for each in one.net_connections() if each.status == psutil.CONN_LISTEN]

    assert len(listening) > 3
    assert all(address.endswith("127.0.0.1") for address in listening)


def parts_in(work: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (work / "predictions").iterdir()}


def test_a_batch_is_the_same_to_the_last_byte(tmp_path: Path, picture: Callable[..., Pixels]) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number in range(60):
        Image.fromarray(picture(number, 40, 48)).save(source / f"{number:02}.png")
    (source / "broken.png").write_bytes(b"no picture")
    tiny = tiny_classifier()
    ending = EndingClassifier(tiny.graph, tiny.manifest)
    ending.marker = tmp_path / "ended"

    make_table(source, tmp_path / "local")
    for workers in (1, 2):
        make_table(source, tmp_path / f"ray {workers}", classifier=ending, engine="ray", workers=workers)

    assert ending.marker.exists()
    assert len(parts_in(tmp_path / "local")) > 10
    assert parts_in(tmp_path / "ray 1") == parts_in(tmp_path / "ray 2") == parts_in(tmp_path / "local")


def rows(parts: TableParts) -> pd.DataFrame:
    return pd.concat(list(parts)).sort_values("path", ignore_index=True)


def test_a_batch_from_object_store_to_object_store_has_the_rows_of_a_folder(
    tmp_path: Path, picture: Callable[..., Pixels]
) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    for number in range(30):
        Image.fromarray(picture(number, 40, 48)).save(folder / f"{number:02}.png")
    (folder / "broken.png").write_bytes(b"no picture")
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    size = sum(map(len, files.values()))

    with line_to_s3() as line:
        line.files().pipe({f"{BUCKET}/on_workers/{name}": content for name, content in files.items()})
        line.cut_after(size // 2, size * 3 // 2)  # while files are looked at, and while workers read them
        parts = make_table(
            f"s3://{BUCKET}/on_workers",
            tmp_path / "ray",
            predictions=f"s3://{BUCKET}/on_workers-rows",
            credentials=line.credentials(),
            engine="ray",
            workers=2,
        )
        found = rows(parts)

    assert line.was_cut
    pd.testing.assert_frame_equal(found, rows(make_table(folder, tmp_path / "local")))
    assert not list((tmp_path / "ray").rglob("*.png"))


def test_features_and_answers_are_the_same_to_the_last_bit(picture: Callable[..., Pixels]) -> None:
    here = FeatureExtractionParameters(batch_size=2, read_ahead=4)
    there = here.model_copy(update=dict(RAY))
    files = pd.DataFrame({"path": map(str, range(21)), "pixel_sha256": map(str, range(21))})
    tiny = tiny_classifier()

    def load(path: str, _: str) -> Loaded[str]:
        return Loaded(f"image {path}", picture(int(path)))

    def load_alone(numbers: list[int]) -> list[Pixels]:
        return [picture(number) for number in numbers]

    alone = [[number] for number in range(21)]
    features = [list(extract(first_pixels, alone, load_alone, block, "Testing")) for block in (here, there)]
    answers = [answer_images(files, load, tiny, "pictures", block) for block in (EngineParameters(), RAY)]

    embeddings = [np.concatenate([outputs["embedding"] for outputs in each]) for each in features]
    assert embeddings[0].shape == (21, 4)
    np.testing.assert_array_equal(*embeddings)
    pd.testing.assert_frame_equal(answers[0][0], answers[1][0], check_exact=True)
    assert answers[1][2] == [f"image {number}" for number in range(21)]
    np.testing.assert_array_equal(*[np.stack([each.evidence for each in said]) for _, said, _ in answers])
