"""Jobs with bad luck: that end after their model was served, with a damaged record, or asked for from an old page."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.jobs import Jobs
from chest_cancer.jobs.training_job import Job, JobFolder
from serving import CLASSIFIER, PROMOTED, RUN_ID, TOKEN, prepare_training
from training_client import BEARER, HTML, follow, log_in, problem

JOB = "20260101-000000-000000-abcd"
PROMOTION = {
    "time": 1.0, "event": "promotion", "promoted": True, "reason": "It is better.", "run_id": RUN_ID, "version": "2",
}  # fmt: skip


@pytest.fixture
def folder(project: Path) -> JobFolder:
    """Of a job whose run has promoted its model."""
    folder = JobFolder(project / "data/training_jobs" / JOB)
    folder.path.mkdir(parents=True)
    folder.write(Job(JOB, "running", "local", "2026-01-01T00:00:00+00:00"))
    folder.progress.write_text(json.dumps(PROMOTION) + "\n")
    return folder


@pytest.fixture
def client(project: Path, make_app: Callable[..., Flask]) -> FlaskClient:
    return make_app(project, TRAIN_TOKEN=TOKEN).test_client()


def job_of(client: FlaskClient) -> dict[str, Any]:
    (job,) = client.get("/train/jobs", headers=BEARER).get_json()
    return dict(job)


def page(client: FlaskClient) -> str:
    return client.get(f"/train?token={TOKEN}", headers=HTML, follow_redirects=True).get_data(as_text=True)


@pytest.mark.parametrize(
    ("status", "said"), [("failed", "The run failed"), ("cancelled", "Cancelled before its end")], ids=str
)
def test_a_job_that_ended_badly_after_its_model_was_promoted_says_that_this_is_served(
    client: FlaskClient, folder: JobFolder, status: Any, said: str
) -> None:
    folder.finish(status, "No space left on device" if status == "failed" else None)

    job, shown = job_of(client), page(client)

    assert (job["status"], job["promoted"], job["served"], job["version"]) == (status, True, True, "2")
    assert said in shown
    assert "Its model was promoted before that, and is served." in shown
    assert "The former model goes on answering" not in shown


def test_a_job_that_was_killed_after_its_model_was_promoted_says_that_this_is_served(
    client: FlaskClient, folder: JobFolder
) -> None:
    job = job_of(client)

    assert (job["status"], job["error"], job["ended"]) == ("failed", "Its process was killed.", None)
    assert (job["promoted"], job["served"]) == (True, True)
    assert folder.read().status == "running"  # whoever starts the next job writes it down


@pytest.mark.parametrize("content", ["", "{", "[]", '{"id": 1}'])
def test_a_job_whose_record_is_damaged_hides_no_other_and_stops_no_new_one(
    client: FlaskClient, folder: JobFolder, content: str
) -> None:
    (folder.path / "job.json").write_text(content)

    job = job_of(client)

    assert (job["id"], job["status"], job["started"]) == (JOB, "failed", "2026-01-01T00:00:00+00:00")
    assert job["error"] == f"Its state can't be read: data/training_jobs/{JOB}/job.json is damaged."
    assert "job.json is damaged" in page(client)
    with Jobs.of(client.application).place() as place:
        assert place.folder.path != folder.path


def test_a_job_of_a_newer_version_is_shown_as_far_as_it_is_understood(client: FlaskClient, folder: JobFolder) -> None:
    known = json.loads((folder.path / "job.json").read_text())
    (folder.path / "job.json").write_text(json.dumps(known | {"status": "cancelled", "of_tomorrow": 1}))

    assert job_of(client)["status"] == "cancelled"


def test_a_roll_back_is_asked_for_with_the_version_that_the_page_showed_and_where_it_is_served(
    project: Path, make_app: Callable[..., Flask]
) -> None:
    command = [*prepare_training(project), "rollback"]
    client = make_app(project, TRAIN_TOKEN=TOKEN, ROLLBACK_COMMAND=command).test_client()
    version = {"version": "2", "promoted": PROMOTED, "former": "1"}
    (project / CLASSIFIER / "version.json").write_text(json.dumps(version))
    client.get("/readyz")
    csrf = log_in(client)

    shown = client.get("/train", headers=HTML).get_data(as_text=True)
    asked = client.post("/train/rollback", data={"csrf": csrf, "version": "2"})
    refused = client.post("/train/rollback", data={"csrf": csrf, "version": "1 --help"})

    assert '<input type="hidden" name="version" value="2">' in shown
    assert follow(client, asked.get_json()["url"])[-1]["log"][0] == "asked: local --from 2"
    assert "Expected `version` to be the number" in problem(refused, 400, "invalid-order")
