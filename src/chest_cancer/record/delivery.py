"""The delivery of what is recorded here to the tracking server."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from chest_cancer.record.provenance import SERVER_RUN_TAG
from chest_cancer.record.tracking import (
    DVC_TAG,
    EXPERIMENT,
    PARENT_TAG,
    PLACE_TAG,
    SENT_TAG,
    SERVER_TAG,
    briefly,
    connect,
    local_artifacts,
    reaching_server,
    runs_here,
    server,
    tracking_uri,
    without_credentials,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

logger = logging.getLogger(__name__)

_MOST_TRIALS = 10_000


class Sent(NamedTuple):
    """How much was sent to a server."""

    parameters: int
    metrics: int
    files: int
    trials: int


def send(run_id: str) -> Sent | None:
    """Copy a run's parameters, metrics, tags, images, artifacts and trials to the server; sending twice does no harm.

    Args:
        run_id: Id of the run here.

    Returns:
        What was copied; None where the run has no server.

    Raises:
        ConnectionError: The server does not answer, or refuses.
    """
    here, run, uri = _look_up(run_id)
    if uri is None:
        return None
    there_id = run.data.tags[SERVER_RUN_TAG]
    with reaching_server():
        there = connect(uri)
        with briefly():
            there.get_run(there_id)
        values = _copy(here, run, there, there_id)
        trials = _copy_trials(here, run, there, there_id)
        _nest(here, run, there, there_id)
        folder = local_artifacts(run_id)
        files = [path for path in folder.rglob("*") if path.is_file()]
        if files:
            there.log_artifacts(there_id, str(folder))
    return Sent(len(run.data.params), values, len(files), trials)


def _look_up(run_id: str) -> "tuple[MlflowClient, Run, str | None]":
    """Return the client of the record here, the run, and the address of the server that it goes to, or None."""
    here = connect(tracking_uri())
    run = here.get_run(run_id)
    return here, run, server() if SERVER_RUN_TAG in run.data.tags else None


def _copy(here: "MlflowClient", run: "Run", there: "MlflowClient", there_id: str) -> int:
    """Copy all but files into a run on the server; return the number of metric values."""
    from mlflow.entities import Param, RunTag

    metrics = [metric for key in run.data.metrics for metric in here.get_metric_history(run.info.run_id, key)]
    parameters = [Param(key, value) for key, value in run.data.params.items()]
    own = {SERVER_TAG, SENT_TAG, SERVER_RUN_TAG, PARENT_TAG, PLACE_TAG, DVC_TAG}
    tags = [RunTag(key, value) for key, value in run.data.tags.items() if key not in own]
    there.log_batch(there_id, metrics=metrics, params=parameters, tags=tags)
    if run.inputs and run.inputs.dataset_inputs:
        there.log_inputs(there_id, datasets=run.inputs.dataset_inputs)
    return len(metrics)


def _nest(here: "MlflowClient", run: "Run", there: "MlflowClient", there_id: str) -> None:
    """Nest a run on the server, too, where it is nested here and the server has both."""
    parent = run.data.tags.get(PARENT_TAG)
    if parent and (its_id := here.get_run(parent).data.tags.get(SERVER_RUN_TAG)):
        there.set_tag(there_id, PARENT_TAG, its_id)


def _copy_trials(here: "MlflowClient", run: "Run", there: "MlflowClient", there_id: str) -> int:
    """Copy the runs inside a run into one on the server; return their number."""
    inside = f"tags.`{PARENT_TAG}` = '{run.info.run_id}'"
    trials = here.search_runs([run.info.experiment_id], inside, max_results=_MOST_TRIALS)
    if not trials:
        return 0
    experiment = there.get_run(there_id).info.experiment_id
    for trial in trials:
        info, its_id = trial.info, trial.data.tags.get(SERVER_RUN_TAG)
        if its_id is None:
            made = there.create_run(experiment, info.start_time, {PARENT_TAG: there_id}, info.run_name)
            its_id = made.info.run_id
            here.set_tag(info.run_id, SERVER_RUN_TAG, its_id)
        _copy(here, trial, there, its_id)
        there.set_terminated(its_id, info.status, info.end_time)
    return len(trials)


def close(run_id: str) -> None:
    """End a run on the server with its status here, and note that the server has all of it.

    Raises:
        ConnectionError: The server does not answer, or refuses.
    """
    here, run, uri = _look_up(run_id)
    if uri is None:
        return
    with reaching_server():
        connect(uri).set_terminated(run.data.tags[SERVER_RUN_TAG], run.info.status, run.info.end_time)
    here.set_tag(run_id, SENT_TAG, "yes")


def end(run_id: str, status: str) -> None:
    """End a run that is still open, here and on the server.

    Args:
        run_id: Its id here.
        status: How it ended: `FAILED`, by an error, or `KILLED`.
    """
    here, run, _ = _look_up(run_id)
    if run.info.status != "RUNNING":
        return
    here.set_terminated(run_id, status)
    if reaches_server(lambda: send(run_id)):
        reaches_server(lambda: close(run_id))


def reaches_server(action: Callable[[], object]) -> bool:
    """Do something that needs the server; where that fails say so, and go on."""
    try:
        action()
    except ConnectionError as error:
        logger.warning("%s The record is kept here: `kedro record send` brings it there.", error)
        return False
    return True


def close_abandoned() -> None:
    """End the runs of this project that died without a word. Only for a process that holds the project alone.

    A run holds the project until it ends: one that is still open while somebody else holds it is dead.
    """
    for run in runs_here("attributes.status = 'RUNNING'"):
        logger.warning("The process of run %s was killed before it could say so: recorded now.", run.info.run_id)
        end(run.info.run_id, "KILLED")


def unsent() -> list[str]:
    """List the ids of the runs that have ended and that the server lacks, oldest first.

    Raises:
        ValueError: No server is set.
    """
    uri = server()
    if uri is None:
        raise ValueError(
            "MLFLOW_TRACKING_URI names no server, so there is nowhere to send to: the whole record is in mlflow.db. "
            "See .env.example."
        )
    client = connect(tracking_uri())
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return []
    there = without_credentials(uri)
    waiting = f"tags.{SENT_TAG} = 'no' and tags.{SERVER_TAG} = '{there}' and attributes.status != 'RUNNING'"
    found = client.search_runs([experiment.experiment_id], waiting, order_by=["attributes.start_time ASC"])
    return [run.info.run_id for run in found]
