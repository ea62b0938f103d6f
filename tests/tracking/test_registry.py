"""Versions, aliases and descriptions in a real registry, and what happens when two runs end at once."""

import json
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

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
from chest_cancer.network.manifest import Manifest
from chest_cancer.record import registered_files, registry, tracking
from chest_cancer.record.champion import Champion, Champions, Decision, Line, Served
from chest_cancer.record.hook import TrackingHook
from chest_cancer.record.kept_champion import KeptChampion
from chest_cancer.record.run_name import RunParameters
from conftest import begin_record, link_project
from serving import tiny_classifier, with_changes

FIRST: Decision = {
    "promoted": True,
    "leads": True,
    "reason": "Promoted: the first model.",
    "champion": None,
    "served": None,
}
LINE = Line.of(tiny_classifier().manifest)
TABLE = pd.DataFrame(
    {
        "path": ["c.png", "b.png", "a.png"],
        "pixel_sha256": ["c" * 64, "b" * 64, "a" * 64],
        "split": ["train", "test", "validation"],
    }
)
SAID = pd.DataFrame({"path": ["b.png"], "probability_adenocarcinoma": [0.25], "probability_normal": [0.75]})


REAL = {"synthetic": False}
"""What `data` says of a model of real images."""
Run = tuple[str, bytes]
"""A run's id, and the manifest of its model."""
Recorded = tuple[Path, dict[str, Run]]


def name_of(number: int, data: dict[str, Any]) -> str:
    return "-".join([f"classifier{number}", *data])


def record_model(project: Path, number: int, **data: Any) -> Run:
    """Record a model; changes to `data` are in its manifest."""
    run_id = tracking.open_run("training")
    classifier = tiny_classifier(f"run{number}")
    classifier = with_changes(classifier, data=classifier.manifest.data.model_dump() | data)
    folder = project.parent / name_of(number, data)
    folder.mkdir(exist_ok=True)
    classifier.save(folder)
    metrics = {"accuracy": {"value": 0.5, "low": 0.4, "high": 0.6, "n": number}}
    registered_files.record(run_id, folder, TABLE, SAID, metrics)
    return run_id, (folder / "manifest.json").read_bytes()


def copy_database(source: Path, target: Path) -> None:
    """As SQLite does, as MLflow keeps it open."""
    with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target)) as other:
        one.backup(other)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path) -> Recorded:
    """A project in which models are recorded and none is registered; to record one takes half a second."""
    project = link_project(tmp_path_factory.mktemp("registry") / "project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        begin_record(project, mlflow_database)
        models = [(1, {}), (2, {}), (3, {}), (1, REAL), (2, REAL)]
        runs = {name_of(number, data): record_model(project, number, **data) for number, data in models}
    copy_database(project / "mlflow.db", project.parent / "mlflow.db")
    return project, runs


@pytest.fixture
def project_copy(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """That project, as it was when its models had been recorded."""
    project, _ = recorded
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(project)
    before = set(project.iterdir())
    yield project
    for path in {path for path in project.iterdir() if not path.name.startswith("mlflow.db")} - before:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.fixture
def client(project_copy: Path) -> MlflowClient:
    copy_database(project_copy.parent / "mlflow.db", project_copy / "mlflow.db")
    return tracking.connect(tracking.tracking_uri())


@pytest.fixture
def trained(recorded: Recorded, client: MlflowClient) -> Callable[..., Run]:
    """Look up the run of a model that is recorded, or record it, as 4, where its artifacts are changed."""
    project, runs = recorded
    return lambda number, **data: runs.get(name_of(number, data)) or record_model(project, number, **data)


def aliases(client: MlflowClient) -> dict[str, str]:
    return {name: str(version) for name, version in client.get_registered_model(registry.MODEL).aliases.items()}


def kedro_record(*arguments: str) -> str:
    """What `kedro record …` prints."""
    result = CliRunner().invoke(cli, ["record", *arguments], catch_exceptions=False)
    return result.output


def promoted_over(version: str) -> Decision:
    reason = f"Promoted: better than version {version}."
    return {"promoted": True, "leads": True, "reason": reason, "champion": version, "served": version}


def refused_by(version: str) -> Decision:
    reason = "Refused: it is worse."
    return {"promoted": False, "leads": False, "reason": reason, "champion": version, "served": version}


def served_run(project: Path) -> str | None:
    """The run of the model that is in the served place, as the app loads it."""
    return ModelSource(project, "local").get().manifest.provenance.mlflow_run_id


def test_a_description_names_the_folder_of_the_images_and_not_where_it_lies(
    client: MlflowClient, trained: Callable
) -> None:
    registry.submit(*trained(1, location="/home/ada/doe_john/slices", kind="folder"), FIRST)

    description = client.get_model_version(registry.MODEL, "1").description
    assert "Trained on slices (" in description
    assert "doe_john" not in description


def test_the_first_model_becomes_champion_and_its_description_says_where_it_comes_from(
    client: MlflowClient, trained: Callable
) -> None:
    assert registry.champion() is None
    run_id, file = trained(1)

    submitted = registry.submit(run_id, file, FIRST)

    assert submitted == ("1", True, "Promoted: the first model.", False)
    assert aliases(client) == {"champion": "1", LINE.alias: "1"}
    found = client.get_model_version(registry.MODEL, "1")
    assert found.run_id == run_id
    assert found.description == (
        "Promoted: the first model.\n\nTrained on phantom (digest 38169b7d3816) by run run1, commit 0123456789ab."
    )
    assert {
        "training_run_id": "run1",
        "data_digest": "38169b7d" * 8,
        "split_digest": "e" * 64,
        "synthetic": "True",
        "classes": '["adenocarcinoma", "normal"]',
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

    submitted = registry.submit(*trained(2), refused_by("1"))

    reason = "Refused: it is worse. To serve it all the same: `kedro record promote 2`."
    assert submitted == ("2", False, reason, False)
    assert aliases(client) == {"champion": "1", LINE.alias: "1", "challenger": "2"}
    assert client.get_model_version(registry.MODEL, "2").description.startswith(reason)


def test_a_model_of_another_kind_leads_its_own_line_and_leaves_what_is_served(
    client: MlflowClient, trained: Callable, project_copy: Path
) -> None:
    registry.submit(*trained(1, **REAL), FIRST)
    real = Line(False, LINE.classes)
    phantoms: Decision = {"promoted": False, "leads": True, "reason": "Not served.", "champion": None, "served": "1"}

    submitted = registry.submit(*trained(2), phantoms)

    assert (submitted.version, submitted.is_champion) == ("2", False)
    assert aliases(client) == {"champion": "1", real.alias: "1", LINE.alias: "2", "challenger": "2"}
    ask = ChampionDataset(filepath=str(project_copy / "champion")).load()
    for line, version in ((real, "1"), (LINE, "2"), (real, "1")):
        champion = ask(line)
        assert (champion.version, champion.served, champion.problem) == (version, Served("1", real), None)
        assert champion.classifier.manifest.provenance.mlflow_run_id == f"run{version}"
    other = ask(Line(False, ("a", "b")))
    assert (other.version, other.classifier, other.served) == (None, None, Served("1", real))


def test_a_model_that_takes_the_place_of_one_of_another_line_is_rolled_back_to_that(
    client: MlflowClient, trained: Callable
) -> None:
    registry.submit(*trained(1), FIRST)
    real = Line(False, LINE.classes)
    decision: Decision = {"promoted": True, "leads": True, "reason": "Promoted.", "champion": None, "served": "1"}

    registry.submit(*trained(2, **REAL), decision)

    assert aliases(client) == {"champion": "2", LINE.alias: "1", real.alias: "2"}
    assert registry.roll_back() == ("2", "1")
    assert aliases(client) == {"champion": "1", LINE.alias: "1", real.alias: "2"}


def test_a_decision_is_out_of_date_when_another_line_has_taken_the_served_place(
    client: MlflowClient, trained: Callable
) -> None:
    registry.submit(*trained(1), FIRST)
    ended = trained(3)
    registry.submit(
        *trained(2, **REAL),
        {"promoted": True, "leads": True, "reason": "Promoted.", "champion": None, "served": "1"},
    )

    with pytest.raises(
        registry.ChampionChangedError,
        match="is now version 1, and version 2 is served; this model was compared with 1, and 1 was served",
    ):
        registry.submit(*ended, promoted_over("1"))


def test_a_promoted_model_is_rolled_back_step_by_step(client: MlflowClient, trained: Callable) -> None:
    registry.submit(*trained(1), FIRST)
    registry.submit(*trained(2), promoted_over("1"))
    registry.submit(*trained(3), promoted_over("2"))
    assert aliases(client) == {"champion": "3", LINE.alias: "3"}

    assert registry.roll_back() == ("3", "2")
    assert registry.roll_back() == ("2", "1")

    assert aliases(client) == {"champion": "1", LINE.alias: "1"}
    assert "Rolled back on" in client.get_model_version(registry.MODEL, "3").description
    with pytest.raises(ValueError, match="version 1 is the first champion: there was none before it"):
        registry.roll_back()


def test_nothing_can_be_rolled_back_in_an_empty_registry(client: MlflowClient) -> None:
    with pytest.raises(ValueError, match="No version of VGG16Model is champion"):
        registry.roll_back()


def test_a_model_that_is_evaluated_again_is_not_registered_again(client: MlflowClient, trained: Callable) -> None:
    run_id, file = trained(1)
    registry.submit(run_id, file, FIRST)
    same = refused_by("1") | {"reason": "This is the champion."}

    submitted = registry.submit(tracking.open_run("evaluation"), file, same)

    assert submitted == ("1", True, "This is the champion.", False)
    assert aliases(client) == {"champion": "1", LINE.alias: "1"}
    assert client.get_model_version(registry.MODEL, "1").description.startswith("Promoted: the first model.")


def test_two_runs_that_end_at_once_leave_one_champion_and_the_other_compares_again(
    client: MlflowClient, trained: Callable
) -> None:
    registry.submit(*trained(1), FIRST)
    ended = [trained(2), trained(3)]

    def submit(run: tuple[str, bytes]) -> str | None:
        try:
            return registry.submit(*run, promoted_over("1")).version
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
    run_id, _ = trained(4)
    calls: Counter[str] = Counter()

    def compare(champions: Champions) -> Decision:
        calls["compare"] += 1
        version = champions(LINE).version
        reason = f"Compared with {version}."
        return {"promoted": True, "leads": True, "reason": reason, "champion": version, "served": version}

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
            "candidate": ClassifierDataset(filepath=str(project_copy.parent / "classifier4")),
            "classifier": ClassifierDataset(filepath=str(project_copy / "data/06_models/classifier")),
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
    hook._parameters = RunParameters(["model_evaluation"], {}, [])

    hook._deliver(pipeline, catalog)

    assert calls == {"compare": 2, "write": 2, "measure": 1}
    assert catalog.load("report") == "Compared with 1. 3 images."
    assert served_run(project_copy) == "run4"
    assert aliases(client) == {"champion": "2", LINE.alias: "2"}
    assert client.get_model_version(registry.MODEL, "2").description.startswith("Compared with 1.")


def test_a_model_that_nobody_could_compare_in_time_is_challenger(client: MlflowClient, trained: Callable) -> None:
    registry.submit(*trained(1), FIRST)

    submitted = registry.submit_undecided(*trained(2))

    assert submitted.is_champion is False
    assert aliases(client) == {"champion": "1", LINE.alias: "1", "challenger": "2"}
    assert "Not compared with version 1" in client.get_model_version(registry.MODEL, "2").description


def test_a_version_is_made_champion_by_hand_and_served(
    client: MlflowClient, trained: Callable, project_copy: Path
) -> None:
    registry.submit(*trained(1, **REAL), FIRST)
    registry.submit(
        *trained(2),
        {"promoted": False, "leads": False, "reason": "Refused: it is worse.", "champion": None, "served": "1"},
    )

    printed = kedro_record("promote", "2")

    assert printed == "VGG16Model: version 2 is champion, and in data/06_models/classifier.\n"
    assert aliases(client) == {"champion": "2", LINE.alias: "2", Line(False, LINE.classes).alias: "1"}
    assert served_run(project_copy) == "run2"
    assert ModelSource(project_copy, "local").get().figures["accuracy"]["n"] == 2
    assert "Refused: it is worse." in client.get_model_version(registry.MODEL, "2").description
    assert "Made champion by hand on" in client.get_model_version(registry.MODEL, "2").description
    printed = kedro_record("rollback")
    assert printed == ("VGG16Model: version 1 is champion again, and in data/06_models/classifier; version 2 was.\n")
    assert served_run(project_copy) == "run1"
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

    assert printed.startswith("VGG16Model: version 1 is champion again")
    assert served() == ("run1", 1)


def test_without_a_champion_the_environment_registry_says_how_to_make_one(
    client: MlflowClient, project_copy: Path
) -> None:
    dataset = RegisteredClassifierDataset(filepath=str(project_copy / "champion"))

    with pytest.raises(DatasetError, match=r"no version is champion\. Make one with `kedro run`"):
        dataset.load()
    assert ChampionDataset(filepath=str(project_copy / "champion")).load()(LINE) == Champion()


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
    champion = ChampionDataset(filepath=folder).load()(LINE)
    assert champion.version is None
    assert "The MLflow server at http://127.0.0.1:9 does not answer" in (champion.problem or "")


def test_a_champion_that_was_tampered_with_is_named_and_not_compared_with(
    client: MlflowClient, trained: Callable, project_copy: Path
) -> None:
    folder = project_copy / "champion"
    registry.submit(*trained(1), FIRST)
    RegisteredClassifierDataset(filepath=str(folder)).load()
    (folder / "classifier.onnx").write_bytes(b"another")

    champion = ChampionDataset(filepath=str(folder)).load()(LINE)

    assert champion.version == "1"
    assert "classifier.onnx is not the file that was saved" in (champion.problem or "")


def test_a_version_that_cannot_be_loaded_is_not_put_into_the_served_place(
    client: MlflowClient, trained: Callable, project_copy: Path
) -> None:
    registry.submit(*trained(1), FIRST)
    kedro_record("promote", "1")
    registry.submit(*trained(4), refused_by("1"))
    for graph in (project_copy / "mlartifacts").rglob("classifier.onnx"):
        if b'"run4"' in graph.with_name("manifest.json").read_bytes():
            graph.write_bytes(b"another")

    with pytest.raises(ValueError, match=r"can't be served, and nothing was changed: classifier\.onnx is not the file"):
        kedro_record("promote", "2")

    assert served_run(project_copy) == "run1"
    assert aliases(client) == {"champion": "1", LINE.alias: "1", "challenger": "2"}


def test_a_former_champion_that_cannot_be_loaded_is_not_champion_again(
    client: MlflowClient, trained: Callable, project_copy: Path
) -> None:
    registry.submit(*trained(4), FIRST)
    registry.submit(*trained(2), promoted_over("1"))
    kedro_record("promote", "2")
    for digests in (project_copy / "mlartifacts").rglob("SHA256SUMS"):
        if b'"run4"' in digests.with_name("manifest.json").read_bytes():
            digests.unlink()

    with pytest.raises(ValueError, match="version 1, can't be served, and nothing was changed: No classifier in"):
        kedro_record("rollback")

    assert served_run(project_copy) == "run2"
    assert aliases(client) == {"champion": "2", LINE.alias: "2"}


def test_what_is_served_is_not_touched_while_it_is_the_champion(
    client: MlflowClient, trained: Callable, project_copy: Path
) -> None:
    registry.submit(*trained(1), FIRST)
    kept = KeptChampion(project_copy / "data/06_models/classifier")
    kept.fetch()
    before = kept.folder.stat()

    assert kept.fetch() == "1"

    assert kept.folder.stat() == before


def test_the_first_model_of_an_empty_registry_takes_the_place_of_none_that_it_may_not_follow(
    client: MlflowClient, trained: Callable, project_copy: Path
) -> None:
    served = KeptChampion(project_copy / "data/06_models/classifier")
    real = tiny_classifier("real")
    real = with_changes(real, data=real.manifest.data.model_dump() | {"synthetic": False})
    ClassifierDataset(filepath=str(served.folder)).save(real)
    run_id, file = trained(1)

    submitted = served.serve(registry.submit(run_id, file, FIRST), Manifest.read(file))

    assert submitted.is_champion is False
    assert submitted.reason == (
        "Not served: it is the champion of this registry, but what is served is a model of real images of "
        "adenocarcinoma, normal from another one, and this is one of synthetic phantoms of adenocarcinoma, normal. "
        "To serve it all the same: `kedro record promote 1`."
    )
    assert served_run(project_copy) == "real"
    kedro_record("promote", "1")
    assert served_run(project_copy) == "run1"


def test_where_nothing_is_served_the_champion_is_brought_though_the_run_was_refused(
    client: MlflowClient, trained: Callable, project_copy: Path
) -> None:
    registry.submit(*trained(1), FIRST)
    run_id, file = trained(2)

    KeptChampion(project_copy / "data/06_models/classifier").serve(
        registry.submit(run_id, file, refused_by("1")), Manifest.read(file)
    )

    assert served_run(project_copy) == "run1"


def test_a_roll_back_whose_model_finds_no_room_says_what_is_served_and_how_to_go_on(
    client: MlflowClient, trained: Callable, project_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.submit(*trained(1), FIRST)
    registry.submit(*trained(2), promoted_over("1"))
    kedro_record("promote", "2")
    download = registered_files.download

    def download_where_there_is_room(version: str, folder: Path) -> None:
        if folder.is_relative_to(project_copy):
            raise OSError(28, "No space left on device")
        download(version, folder)

    with monkeypatch.context() as full:
        full.setattr(registered_files, "download", download_where_there_is_room)
        with pytest.raises(OSError, match=r"Version 1 of VGG16Model is champion now, but .*No space left") as refused:
            kedro_record("rollback")

    assert served_run(project_copy) == "run2"
    assert "The former model is still served." in str(refused.value)
    assert str(refused.value).endswith("then type: `kedro record promote 1`.")
    kedro_record("promote", "1")
    assert served_run(project_copy) == "run1"


def test_a_roll_back_from_a_version_that_is_champion_no_more_changes_nothing(
    client: MlflowClient, trained: Callable, project_copy: Path
) -> None:
    registry.submit(*trained(1), FIRST)
    registry.submit(*trained(2), promoted_over("1"))
    registry.submit(*trained(3), promoted_over("2"))
    kedro_record("rollback", "--from", "3")

    with pytest.raises(ValueError, match=r"expected version 3 of VGG16Model to be champion\. Received: version 2"):
        kedro_record("rollback", "--from", "3")  # by whoever looks at a page of before

    assert registry.number_of(registry.champion()) == "2"
    assert served_run(project_copy) == "run2"


def test_a_roll_back_reaches_what_the_environment_serves_too(
    client: MlflowClient, trained: Callable, project_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.submit(*trained(1), FIRST)
    registry.submit(*trained(2), promoted_over("1"))
    served = ModelSource(project_copy, "registry")
    assert served.get().manifest.provenance.mlflow_run_id == "run2"
    monkeypatch.setenv("KEDRO_ENV", "registry")

    printed = kedro_record("rollback")

    assert "in data/06_models/classifier and data/06_models/registered;" in printed
    for folder in ("classifier", "registered"):
        assert b'"run1"' in (project_copy / "data/06_models" / folder / "manifest.json").read_bytes()
