"""Versions, aliases and descriptions in a real registry, and what happens when two runs end at once."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient

from chest_cancer import registry, tracking
from chest_cancer.registry import Decision

FIRST: Decision = {"promoted": True, "reason": "Promoted: the first model.", "champion": None}
TABLE = pd.DataFrame({"pixel_sha256": ["c" * 64, "b" * 64, "a" * 64], "split": ["train", "test", "validation"]})


def manifest(number: int) -> dict[str, Any]:
    return {
        "classes": ["adenocarcinoma", "normal"],
        "data": {"location": "phantom", "digest": "d" * 64},
        "split_digest": "e" * 64,
        "provenance": {"mlflow_run_id": f"run{number}", "git_commit": "f" * 40, "git_clean": False},
    }


@pytest.fixture
def client(project_copy: Path, mlflow_database: Path) -> MlflowClient:
    """An empty record beside a copy of the project."""
    (project_copy / "mlflow.db").write_bytes(mlflow_database.read_bytes())
    tracking.speed_up_sqlite()
    client = tracking.connect(tracking.registry_uri())
    client.create_experiment(tracking.EXPERIMENT, artifact_location=str(project_copy / "mlartifacts"))
    return client


@pytest.fixture
def trained(client: MlflowClient, tmp_path: Path) -> Callable[[int], tuple[str, bytes]]:
    """Record a model: the run's id, and the manifest."""

    def record(number: int) -> tuple[str, bytes]:
        run_id = tracking.open_run("training")
        folder = tmp_path / f"classifier{number}"
        folder.mkdir()
        (folder / "classifier.onnx").write_bytes(b"graph")
        (folder / "manifest.json").write_text(json.dumps(manifest(number)))
        registry.record(run_id, folder, TABLE)
        return run_id, (folder / "manifest.json").read_bytes()

    return record


def aliases(client: MlflowClient) -> dict[str, str]:
    return {name: str(version) for name, version in client.get_registered_model(registry.MODEL).aliases.items()}


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
        "Promoted: the first model.\n\nTrained on phantom (digest dddddddddddd) by run run1, commit ffffffffffff, with "
        "uncommitted changes."
    )
    assert {"training_run_id": "run1", "data_digest": "d" * 64, "split_digest": "e" * 64}.items() <= found.tags.items()


def test_the_champion_is_fetched_with_the_images_that_it_has_learnt_from(
    client: MlflowClient, trained: Callable, tmp_path: Path
) -> None:
    run_id, file = trained(1)
    registry.submit(run_id, file, FIRST)

    registry.download("1", tmp_path / "here")

    assert (tmp_path / "here" / "manifest.json").read_bytes() == file
    assert json.loads((tmp_path / "here" / "training_images.json").read_text()) == ["a" * 64, "c" * 64]


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
    with pytest.raises(ValueError, match="version 1 is the first champion: there is none before it"):
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


def test_a_model_that_nobody_could_compare_in_time_is_challenger(client: MlflowClient, trained: Callable) -> None:
    registry.submit(*trained(1), FIRST)

    version = registry.submit_undecided(*trained(2))

    assert aliases(client) == {"champion": "1", "challenger": version}
    assert "Not compared with version 1" in client.get_model_version(registry.MODEL, version).description
