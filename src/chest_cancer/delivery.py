"""What is recorded here, brought to the tracking server."""

from typing import NamedTuple

from chest_cancer.datasets.provenance import SERVER_RUN_TAG
from chest_cancer.tracking import (
    EXPERIMENT,
    SENT_TAG,
    SERVER_TAG,
    briefly,
    connect,
    local_artifacts,
    reaching_server,
    server,
    tracking_uri,
    without_credentials,
)


class Sent(NamedTuple):
    """What a server got."""

    parameters: int
    metrics: int
    files: int


def send(run_id: str) -> Sent | None:
    """Copy a run's parameters, metrics, tags and artifacts to the server; what it already has does no harm.

    Args:
        run_id: Its id here.

    Returns:
        What was copied; None where the run has no server.

    Raises:
        ConnectionError: The server does not answer, or refuses.
    """
    from mlflow.entities import Param, RunTag

    here = connect(tracking_uri())
    run = here.get_run(run_id)
    uri, there_id = server(), run.data.tags.get(SERVER_RUN_TAG)
    if uri is None or there_id is None:
        return None
    with reaching_server():
        there = connect(uri)
        with briefly():
            there.get_run(there_id)
        metrics = [metric for key in run.data.metrics for metric in here.get_metric_history(run_id, key)]
        parameters = [Param(key, value) for key, value in run.data.params.items()]
        tags = [RunTag(key, value) for key, value in run.data.tags.items() if key not in {SERVER_TAG, SENT_TAG}]
        there.log_batch(there_id, metrics=metrics, params=parameters, tags=tags)
        folder = local_artifacts(run_id)
        files = [path for path in folder.rglob("*") if path.is_file()]
        if files:
            there.log_artifacts(there_id, str(folder))
    return Sent(len(parameters), len(metrics), len(files))


def close(run_id: str) -> None:
    """End a run on the server as it ended here, and note that the server has all of it.

    Raises:
        ConnectionError: The server does not answer, or refuses.
    """
    here = connect(tracking_uri())
    run = here.get_run(run_id)
    uri, there_id = server(), run.data.tags.get(SERVER_RUN_TAG)
    if uri is None or there_id is None:
        return
    with reaching_server():
        connect(uri).set_terminated(there_id, run.info.status, run.info.end_time)
    here.set_tag(run_id, SENT_TAG, "yes")


def unsent() -> list[str]:
    """List the runs that ended and that this server lacks, oldest first: their ids here.

    Raises:
        ValueError: There is no server.
    """
    uri = server()
    if uri is None:
        raise ValueError("MLFLOW_TRACKING_URI names no server: all that is known is in mlflow.db. See .env.example.")
    client = connect(tracking_uri())
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return []
    there = without_credentials(uri)
    waiting = f"tags.{SENT_TAG} = 'no' and tags.{SERVER_TAG} = '{there}' and attributes.status != 'RUNNING'"
    found = client.search_runs([experiment.experiment_id], waiting, order_by=["attributes.start_time ASC"])
    return [run.info.run_id for run in found]
