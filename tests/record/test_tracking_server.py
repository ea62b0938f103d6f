"""A run against a tracking server: nothing is lost, counted, whatever happens to the server."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import FileInfo, Metric

from chest_cancer.record import delivery, registry, tracking
from kedro_process import SECONDS
from record.servers import TrackingServer, ended, free_port, kedro, reports, succeed, wait_until

# Curves and figures, and nothing that takes long.
RUN = (
    *("run", "--env", "test", "--pipelines", "model_training,model_evaluation"),
    *("--params", "model_evaluation.audits=false,model_training.epochs=20"),
)
# What a server keeps it in says nothing here.
ON_ONE_STORE = pytest.mark.parametrize("server", ["sqlite"], indirect=True)
# Known at the server under names of its own, or only here.
OWN_TAGS = {"server", "server_has_it", "server_run_id", "mlflow.runName", "place", "dvc_process"}


@pytest.fixture
def here(project: Path, server: TrackingServer, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    monkeypatch.chdir(project)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return tracking.connect(tracking.tracking_uri())


@pytest.fixture
def there(here: MlflowClient, server: TrackingServer) -> MlflowClient:
    return tracking.connect(server.environment["MLFLOW_TRACKING_URI"])


def last_run(client: MlflowClient) -> str:
    experiment = client.get_experiment_by_name(tracking.EXPERIMENT)
    assert experiment is not None
    return client.search_runs([experiment.experiment_id], order_by=["attributes.start_time DESC"])[0].info.run_id


def files(client: MlflowClient, run_id: str, folder: str | None = None) -> dict[str, int]:
    found: dict[str, int] = {}
    for item in client.list_artifacts(run_id, folder):
        assert isinstance(item, FileInfo)
        found |= files(client, run_id, item.path) if item.is_dir else {item.path: item.file_size or 0}
    return found


def recorded(client: MlflowClient, run_id: str) -> dict[str, object]:
    run = client.get_run(run_id)
    values = [
        (metric.key, metric.step, metric.value, metric.timestamp)
        for key in run.data.metrics
        for metric in client.get_metric_history(run_id, key)
    ]
    return {
        "metrics": sorted(values),
        "parameters": run.data.params,
        "tags": {name: value for name, value in run.data.tags.items() if name not in OWN_TAGS},
        "images": [(one.dataset.name, one.dataset.digest, one.dataset.profile) for one in run.inputs.dataset_inputs],
        "files": files(client, run_id),
        "status": run.info.status,
    }


def assert_nothing_is_lost(here: MlflowClient, there: MlflowClient) -> None:
    run_id = last_run(here)
    ours = recorded(here, run_id)
    theirs = recorded(there, here.get_run(run_id).data.tags["server_run_id"])

    assert ours == theirs
    metrics = ours["metrics"]
    assert isinstance(metrics, list)
    assert len([one for one in metrics if one[0] == "epochs/loss"]) > 5
    print(
        f"\n{os.environ['PYTEST_CURRENT_TEST']}: {len(metrics)} metric values, {len(ours['parameters'])} parameters, "
        f"{len(ours['files'])} files here; lost on the way: 0"
    )


def start_training(project: Path, server: TrackingServer, progress: Path, epochs: int = 20) -> subprocess.Popen[str]:
    """Start a run on a server, and wait until it trains."""
    server.start()
    longer = [argument.replace("epochs=20", f"epochs={epochs}") for argument in RUN]
    process = kedro(project, *longer, **server.environment, CHEST_CANCER_PROGRESS=str(progress))
    wait_until(lambda: reports(progress, '"epoch"'), process)
    return process


@ON_ONE_STORE
@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"MLFLOW_TRACKING_PASSWORD": "a guess"}, "refuses the credentials. Correct MLFLOW_TRACKING_USERNAME and "),
        ({"MLFLOW_TRACKING_USERNAME": ""}, "refuses the credentials. Correct MLFLOW_TRACKING_USERNAME and "),
        ({"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{free_port()}"}, "does not answer: [Errno 111] Connection refused"),
    ],
    ids=["wrong_password", "no_user", "no_server"],
)
def test_a_server_that_cannot_be_used_stops_a_run_at_once_with_cause_and_cure(
    project: Path, server: TrackingServer, changes: dict[str, str], problem: str
) -> None:
    server.start()

    start = time.monotonic()
    output = ended(kedro(project, *RUN, **server.environment | changes), 1)

    assert time.monotonic() - start < 120  # MLflow alone takes four minutes
    assert problem in output
    assert "unset it to keep the record in mlflow.db" in output
    assert "Step 1" not in output
    assert "Traceback" not in output


def test_all_of_a_run_is_on_the_server(
    project: Path, server: TrackingServer, here: MlflowClient, there: MlflowClient
) -> None:
    server.start()

    succeed(kedro(project, *RUN, **server.environment))

    assert_nothing_is_lost(here, there)
    champion = registry.champion()
    assert champion is not None
    manifest = json.loads((project / "data/06_models/candidate/manifest.json").read_text())
    assert champion.run_id == manifest["provenance"]["mlflow_run_id"] == champion.tags["training_run_id"]
    assert champion.description.startswith("Promoted: the first model")


def test_a_server_that_goes_in_mid_training_and_comes_back_has_all_of_it(
    project: Path, server: TrackingServer, here: MlflowClient, there: MlflowClient, tmp_path: Path
) -> None:
    process = start_training(project, server, tmp_path / "progress")

    server.stop()
    server.start()

    succeed(process)
    succeed(kedro(project, "record", "send", **server.environment))
    assert_nothing_is_lost(here, there)


@ON_ONE_STORE
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_stopped_in_mid_training_is_killed_here_and_on_the_server(
    project: Path,
    server: TrackingServer,
    here: MlflowClient,
    there: MlflowClient,
    tmp_path: Path,
    number: signal.Signals,
) -> None:
    process = start_training(project, server, tmp_path / "progress", epochs=300)

    process.send_signal(number)

    printed, _ = process.communicate(timeout=SECONDS)
    if number == signal.SIGKILL:  # nobody could say so: the next command does
        told = succeed(kedro(project, "record", "send", **server.environment))
        assert "was killed before it could say so" in told
    run = here.get_run(last_run(here))
    its = there.get_run(run.data.tags["server_run_id"])
    assert [one.info.status for one in (run, its)] == ["KILLED", "KILLED"], printed
    assert all(one.info.end_time for one in (run, its))
    assert its.data.params == run.data.params
    assert its.data.params["model_training.epochs"] == "300"
    assert run.data.tags["server_has_it"] == "yes"
    assert "place" not in its.data.tags


def test_a_thousand_and_more_values_arrive_and_nothing_is_sent_twice(
    server: TrackingServer, here: MlflowClient, there: MlflowClient
) -> None:
    metrics = [Metric("epochs/loss", 1 / step, 1000 + step, step) for step in range(1, 2501)]
    server.start()
    run_id = tracking.open_run("training")
    server.stop()
    here.log_batch(run_id, metrics=metrics)
    here.set_terminated(run_id)
    with pytest.raises(ConnectionError, match="does not answer"):
        delivery.send(run_id)

    server.start()
    sent = delivery.send(run_id), delivery.send(run_id)
    delivery.close(run_id)

    assert [one and one.metrics for one in sent] == [2500, 2500]
    assert run_id not in delivery.unsent()
    assert_nothing_is_lost(here, there)


def test_trials_of_a_search_are_on_the_server_once_inside_their_run(
    server: TrackingServer, here: MlflowClient, there: MlflowClient
) -> None:
    server.start()
    run_id = tracking.open_run("hyperparameter_search")
    experiment = here.get_run(run_id).info.experiment_id
    for number, status in enumerate(("FINISHED", "KILLED")):
        trial = here.create_run(experiment, tags={tracking.PARENT_TAG: run_id}, run_name=f"trial {number}")
        here.log_metric(trial.info.run_id, "loss", 0.5 + number)
        here.log_param(trial.info.run_id, "model_training.l2", 0.01)
        here.set_terminated(trial.info.run_id, status)

    sent = delivery.send(run_id), delivery.send(run_id)

    assert [one and one.trials for one in sent] == [2, 2]
    parent = there.get_run(here.get_run(run_id).data.tags["server_run_id"])
    inside = f"tags.`{tracking.PARENT_TAG}` = '{parent.info.run_id}'"
    trials = there.search_runs([parent.info.experiment_id], inside, order_by=["metrics.loss ASC"])
    assert [(trial.info.run_name, trial.data.metrics["loss"], trial.info.status) for trial in trials] == [
        ("trial 0", 0.5, "FINISHED"),
        ("trial 1", 1.5, "KILLED"),
    ]
    assert trials[0].data.params == {"model_training.l2": "0.01"}


def test_what_a_server_missed_is_sent_by_one_command(
    project: Path, server: TrackingServer, here: MlflowClient, there: MlflowClient, tmp_path: Path
) -> None:
    process = start_training(project, server, tmp_path / "progress")
    server.stop()
    output = succeed(process)
    assert "does not answer" in output
    assert "The record is kept here: `kedro record send` brings it there." in output

    server.start()
    first = succeed(kedro(project, "record", "send", **server.environment))
    second = succeed(kedro(project, "record", "send", **server.environment))

    assert_nothing_is_lost(here, there)
    versions = there.search_model_versions(f"name = '{registry.MODEL}'")
    manifest = json.loads((project / "data/06_models/candidate/manifest.json").read_text())
    assert manifest["provenance"]["mlflow_run_id"] in [version.tags["training_run_id"] for version in versions]
    assert "1 runs sent." in first
    assert "Nothing to send." in second
