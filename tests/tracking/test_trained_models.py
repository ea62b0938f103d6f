"""The models of a project: each comes with what is its own, and with nothing else."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from chest_cancer.network.classifier import Classifier
from chest_cancer.network.features import split_digest
from chest_cancer.network.graph import classifier
from chest_cancer.network.heads.head import Head
from chest_cancer.network.vgg16 import Weights
from chest_cancer.record.trained_models import TrainedModels
from chest_cancer.sources.image_folder import ImageFolder, SourceRecord
from chest_cancer.storage.lineage import Ledger, Lineage
from manifests import manifest_of

TABLE = pd.DataFrame(
    {"pixel_sha256": ["a", "b", "c"], "label": "normal", "group": [0, 1, 2], "split": ["train", "validation", "test"]}
)
FIGURES = {"accuracy": {"value": 0.9, "low": 0.8, "high": 0.95, "n": 50}}


@pytest.fixture(scope="module")
def graph(narrow_weights: Weights, random_head: Callable[..., Head]) -> bytes:
    return classifier(narrow_weights, random_head(6, 2)).SerializeToString()


@pytest.fixture
def models(tmp_path: Path, graph: bytes) -> TrainedModels:
    """A candidate that was made from the images that are there, and measured."""
    models = TrainedModels(
        served=tmp_path / "classifier",
        candidate=tmp_path / "candidate",
        metrics=tmp_path / "metrics.json",
        images=tmp_path / "images",
        split_table=tmp_path / "split_table.parquet",
        lineage=tmp_path / "lineage",
    )
    for folder in (models.candidate, models.images):
        folder.mkdir()
    Classifier(graph, manifest_of(split_digest=split_digest(TABLE))).save(models.candidate)
    TABLE.to_parquet(models.split_table)
    models.metrics.write_text(json.dumps(FIGURES))
    bring(models, "first")
    ledger = Ledger(models.lineage)
    ledger.write("split_table", Lineage(None, {"raw_images": "first"}, "feature_extraction"))
    made_from = {"candidate": ledger.digest(models.candidate)}
    ledger.write("metrics", Lineage(ledger.digest(models.metrics), made_from, "model_evaluation"))
    return models


def bring(models: TrainedModels, fingerprint: str) -> None:
    record = SourceRecord(
        kind="folder", location="here", sha256=None, synthetic=False, fingerprint=fingerprint, files=3, bytes=0
    )
    ImageFolder(models.images, record).write_record()


def serve(models: TrainedModels, graph: bytes, digest: str) -> None:
    models.served.mkdir()
    Classifier(graph, manifest_of(split_digest=digest)).save(models.served)
    (models.served / "version.json").write_text('{"version": "3"}')
    (models.served / "metrics.json").write_text(json.dumps(FIGURES))
    (models.served / "training_images.json").write_text('["x", "y"]')


def test_the_candidate_is_taken_where_nothing_is_served(models: TrainedModels) -> None:
    found = models("served")

    assert found.name == "candidate"
    assert found.version is None
    assert found.metrics == FIGURES
    assert found.learnt == {"a", "b"}
    assert found.own_images is not None
    assert found.own_images.split_table.equals(TABLE)


def test_figures_of_another_candidate_are_not_its_own(models: TrainedModels, graph: bytes) -> None:
    Classifier(graph, manifest_of(split_digest=split_digest(TABLE), head_reason="another")).save(models.candidate)

    assert models("candidate").metrics == {}


@pytest.mark.parametrize("change", ["images", "split"])
def test_images_that_are_no_longer_those_that_it_was_made_from_are_not_its_own(
    models: TrainedModels, change: str
) -> None:
    if change == "images":
        bring(models, "second")
    else:
        TABLE.assign(split="train").to_parquet(models.split_table)

    found = models("candidate")

    assert found.own_images is None
    assert found.learnt == frozenset()


def test_what_is_served_comes_with_its_version_its_figures_and_the_digests_that_it_has_learnt(
    models: TrainedModels, graph: bytes
) -> None:
    serve(models, graph, digest="f" * 64)

    found = models("served")

    assert (found.name, found.version, found.metrics) == ("served", "3", FIGURES)
    assert found.own_images is None
    assert found.learnt == {"x", "y"}


def test_without_a_model_it_is_said_how_one_is_made(models: TrainedModels) -> None:
    (models.candidate / "classifier.onnx").unlink()

    with pytest.raises(FileNotFoundError, match=r"No classifier in .*candidate: .* Make one with `kedro run`\."):
        models("served")


def test_what_is_replaced_while_it_is_read_is_read_again_as_a_whole(
    models: TrainedModels, graph: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(models, graph, digest="f" * 64)
    load, former = Classifier.load, models.served.with_name("former")

    def load_while_another_is_promoted(folder: Path) -> Classifier:
        classifier = load(folder)
        if not former.exists():
            models.served.rename(former)
            serve(models, graph, digest="e" * 64)
            (models.served / "version.json").write_text('{"version": "4"}')
        return classifier

    monkeypatch.setattr(Classifier, "load", load_while_another_is_promoted)

    found = models("served")

    assert (found.classifier.manifest.split_digest, found.version) == ("e" * 64, "4")
