"""Versions, aliases and descriptions in a real registry, and what happens when two runs end at once."""

import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from kedro.io import DataCatalog, DatasetError, MemoryDataset
from kedro.pipeline import Node, Pipeline
from kedro.runner import SequentialRunner
from kedro_datasets.json import JSONDataset
from mlflow import MlflowClient

from app.model import ModelSource
from chest_cancer.cli import cli
from chest_cancer.datasets.classifier import ClassifierDataset
from chest_cancer.datasets.registered_classifier import ChampionDataset, RegisteredClassifierDataset
from chest_cancer.record import registered_files, registry, tracking
from chest_cancer.record.champion import Champion
from chest_cancer.record.hook import TrackingHook
from chest_cancer.record.registry import Decision
from serving import tiny_classifier

FIRST: Decision = {"promoted": True, "reason": "Promoted: the first model.", "champion": None}
TABLE = pd.DataFrame(
    {
        "path": ["c.png", "b.png", "a.png"],
        "pixel_sha256": ["c" * 64, "b" * 64, "a" * 64],
        "split": ["train", "test", "validation"],
    }
)
SAID = pd.DataFrame({"path": ["b.png"], "probability_adenocarcinoma": [0.25], "probability_normal": [0.75]})


@pytest.fixture
def trained(client: MlflowClient, tmp_path: Path) -> Callable[[int], tuple[str, bytes]]:
    """Record a model: the run's id, and the manifest."""

    def record(number: int) -> tuple[str, bytes]:
        run_id = tracking.open_run("training")
        classifier = tiny_classifier(f"run{number}")
        folder = tmp_path / f"classifier{number}"
        folder.mkdir()
        classifier.save(folder)
        registered_files.record(
            run_id, folder, TABLE, SAID, {"accuracy": {"value": 0.5, "low": 0.4, "high": 0.6, "n": number}}
        )
        return run_id, (folder / "manifest.json").read_bytes()

    return record


def aliases(client: MlflowClient) -> dict[str, str]:
    return {name: str(version) for name, version in client.get_registered_model(registry.MODEL).aliases.items()}


def kedro_record(*arguments: str) -> str:
    """What `kedro record …` prints."""
    result = CliRunner().invoke(cli, ["record", *arguments], catch_exceptions=False)
    return result.output


def promoted_over(version: str) -> Decision:
    return {"promoted": True, "reason": f"Promoted: better than version {version}.", "champion": version}


def test_the_first_model_becomes_champion_and_its_description_says_where_it_comes_from(
    client: MlflowClient, trained: Callable
) -> None:
    assert registry.champion() is None
    run_id, file = trained(1)

    version = registry.submit(run_id, file, FIRST)

    assert aliases(client) == {"champion": "1"}
    found = client.get_model_version(registry.MODEL, version)
    assert found.run_id == run_id
    assert found.description == (
        "Promoted: the first model.\n\nTrained on phantom (digest 38169b7d3816) by run run1, commit 0123456789ab."
    )
    assert {
        "training_run_id": "run1",
        "data_digest": "38169b7d" * 8,
        "split_digest": "e" * 64,
    }.items() <= found.tags.items()


def test_the_champion_is_fetched_with_the_images_that_it_has_learnt_from(
    client: MlflowClient, trained: Callable, tmp_path: Path
) -> None:
    run_id, file = trained(1)
    registry.submit(run_id, file, FIRST)

    registered_files.download("1", tmp_path / "here")

    assert (tmp_path / "here" / "manifest.json").read_bytes() == file
    assert json.loads((tmp_path / "here" / "training_images.json").read_text()) == ["a" * 64, "c" * 64]
    assert json.loads((tmp_path / "here" / "test_scores.json").read_text()) == {"b" * 64: [0.25, 0.75]}
    assert json.loads((tmp_path / "here" / "metrics.json").read_text())["accuracy"]["n"] == 1


def test_a_refused_model_is_challenger_with_the_reason(client: MlflowClient, trained: Callable) -> None:
    registry.submit(*trained(1), FIRST)

    registry.submit(*trained(2), {"promoted": False, "reason": "Refused: it is worse.", "champion": "1"})

    assert aliases(client) == {"champion": "1", "challenger": "2"}
    assert client.get_model_version(registry.MODEL, "2").description.startswith("Refused: it is worse.")


def test_a_promoted_model_is_rolled_back_step_by_step(client: MlflowClient, trained: Callable) -> None:
    registry.submit(*trained(1), FIRST)
    registry.submit(*trained(2), promoted_over("1"))
    registry.submit(*trained(3), promoted_over("2"))
    assert aliases(client) == {"champion": "3"}

    assert registry.roll_back() == ("3", "2")
    assert registry.roll_back() == ("2", "1")

    assert aliases(client) == {"champion": "1"}
    assert "Rolled back on" in client.get_model_version(registry.MODEL, "3").description
    with pytest.raises(ValueError, match="version 1 is the first champion: there was none before it"):
        registry.roll_back()


def test_nothing_can_be_rolled_back_in_an_empty_registry(client: MlflowClient) -> None:
    with pytest.raises(ValueError, match="No version of VGG16Model is champion"):
        registry.roll_back()


def test_a_model_that_is_evaluated_again_is_not_registered_again(client: MlflowClient, trained: Callable) -> None:
    run_id, file = trained(1)
    registry.submit(run_id, file, FIRST)
    same: Decision = {"promoted": False, "reason": "This is the champion.", "champion": "1"}

    assert registry.submit(tracking.open_run("evaluation"), file, same) == "1"

    assert aliases(client) == {"champion": "1"}
    assert client.get_model_version(registry.MODEL, "1").description.startswith("Promoted: the first model.")


def test_two_runs_that_end_at_once_leave_one_champion_and_the_other_compares_again(
    client: MlflowClient, trained: Callable
) -> None:
    registry.submit(*trained(1), FIRST)
    ended = [trained(2), trained(3)]

    def submit(run: tuple[str, bytes]) -> str | None:
        try:
            return registry.submit(*run, promoted_over("1"))
        except registry.ChampionChangedError:
            return None

    with ThreadPoolExecutor(2) as pool:
        versions = list(pool.map(submit, ended))

    (winner,) = [version for version in versions if version]
    assert aliases(client)["champion"] == winner
    loser = ended[versions.index(None)]
    registry.submit(*loser, promoted_over(winner))
    assert [registry.roll_back()[1], registry.roll_back()[1]] == [winner, "1"]


@pytest.mark.parametrize("names", [("gate", "page", "figures"), ("a", "b", "c")])
def test_a_run_whose_champion_was_replaced_meanwhile_makes_all_that_depends_on_it_again(
    client: MlflowClient, trained: Callable, project_copy: Path, names: tuple[str, str, str]
) -> None:
    run_id, _ = trained(2)
    calls: Counter[str] = Counter()

    def compare(champion: Champion) -> Decision:
        calls["compare"] += 1
        return {"promoted": True, "reason": f"Compared with {champion.version}.", "champion": champion.version}

    def write(promotion: Decision, table: pd.DataFrame) -> str:
        calls["write"] += 1
        return f"{promotion['reason']} {len(table)} images."

    def measure(table: pd.DataFrame) -> dict[str, int]:
        calls["measure"] += 1
        return {"images": len(table)}

    pipeline = Pipeline(
        [
            Node(compare, "champion", "promotion", name=names[0]),
            Node(write, ["promotion", "split_table"], "report", name=names[1]),
            Node(measure, "split_table", "counts", name=names[2]),
        ],
        namespace="model_evaluation",
        prefix_datasets_with_namespace=False,
    )
    catalog = DataCatalog(
        {
            "champion": ChampionDataset(filepath=str(project_copy / "champion")),
            "classifier": ClassifierDataset(filepath=str(project_copy.parent / "classifier2")),
            "promotion": JSONDataset(filepath=str(project_copy / "promotion.json")),
            "report": JSONDataset(filepath=str(project_copy / "report.json")),
            "counts": JSONDataset(filepath=str(project_copy / "counts.json")),
            "split_table": MemoryDataset(TABLE),
            "test_predictions": MemoryDataset(SAID),
            "metrics": MemoryDataset({}),
        }
    )
    SequentialRunner().run(pipeline, catalog)
    assert catalog.load("report") == "Compared with None. 3 images."
    registry.submit(*trained(1), FIRST)
    hook = TrackingHook()
    hook.run_id = run_id

    hook._deliver(pipeline, catalog)

    assert calls == {"compare": 2, "write": 2, "measure": 1}
    assert catalog.load("report") == "Compared with 1. 3 images."
    assert aliases(client) == {"champion": "2"}
    assert client.get_model_version(registry.MODEL, "2").description.startswith("Compared with 1.")


def test_a_model_that_nobody_could_compare_in_time_is_challenger(client: MlflowClient, trained: Callable) -> None:
    registry.submit(*trained(1), FIRST)

    decision = registry.submit_undecided(*trained(2))

    assert decision["promoted"] is False
    assert aliases(client) == {"champion": "1", "challenger": "2"}
    assert "Not compared with version 1" in client.get_model_version(registry.MODEL, "2").description


def test_a_version_is_made_champion_by_hand(client: MlflowClient, trained: Callable) -> None:
    registry.submit(*trained(1), FIRST)
    registry.submit(*trained(2), {"promoted": False, "reason": "Refused: it is worse.", "champion": "1"})

    printed = kedro_record("promote", "2")

    assert printed == "VGG16Model: version 2 is champion.\n"
    assert aliases(client) == {"champion": "2"}
    assert "Refused: it is worse." in client.get_model_version(registry.MODEL, "2").description
    assert "Made champion by hand on" in client.get_model_version(registry.MODEL, "2").description
    assert registry.roll_back() == ("2", "1")
    with pytest.raises(ValueError, match="VGG16Model has no version 9"):
        registry.promote("9")


def test_the_environment_registry_serves_the_champion_and_after_a_roll_back_the_former_one(
    client: MlflowClient, trained: Callable, project_copy: Path
) -> None:
    def served() -> tuple[str, float]:
        model = ModelSource(project_copy, "registry").get()
        return model.manifest.provenance.mlflow_run_id, model.figures["accuracy"]["n"]

    registry.submit(*trained(1), FIRST)
    assert served() == ("run1", 1)
    registry.submit(*trained(2), promoted_over("1"))
    assert served() == ("run2", 2)

    printed = kedro_record("rollback")

    assert printed == "VGG16Model: version 1 is champion again, version 2 was.\n"
    assert served() == ("run1", 1)


def test_without_a_champion_the_environment_registry_says_how_to_make_one(
    client: MlflowClient, project_copy: Path
) -> None:
    dataset = RegisteredClassifierDataset(filepath=str(project_copy / "champion"))

    with pytest.raises(DatasetError, match=r"no version is champion\. Make one with `kedro run`"):
        dataset.load()
    assert ChampionDataset(filepath=str(project_copy / "champion")).load() == Champion()


def test_while_its_server_does_not_answer_the_champion_that_is_here_is_served_and_not_compared_with(
    client: MlflowClient,
    trained: Callable,
    project_copy: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = str(project_copy / "champion")
    registry.submit(*trained(1), FIRST)
    RegisteredClassifierDataset(filepath=folder).load()
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    assert RegisteredClassifierDataset(filepath=folder).load().manifest.provenance.mlflow_run_id == "run1"
    assert f"The model in {folder} is used; another one may be champion by now." in caplog.text
    champion = ChampionDataset(filepath=folder).load()
    assert champion.version is None
    assert "The MLflow server at http://127.0.0.1:9 does not answer" in (champion.problem or "")


def test_a_champion_that_was_tampered_with_is_named_and_not_compared_with(
    client: MlflowClient, trained: Callable, project_copy: Path
) -> None:
    folder = project_copy / "champion"
    registry.submit(*trained(1), FIRST)
    RegisteredClassifierDataset(filepath=str(folder)).load()
    (folder / "classifier.onnx").write_bytes(b"another")

    champion = ChampionDataset(filepath=str(folder)).load()

    assert champion.version == "1"
    assert "classifier.onnx is not the file that was saved" in (champion.problem or "")
