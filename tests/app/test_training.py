import json
import os
import re
import signal
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from app.progress import summarise
from serving import CLASSIFIER, RUN_ID, TOKEN, prepare_training
from training_client import BEARER, HTML, follow, log_in, problem, wait_until


@pytest.fixture
def app(project, make_app):
    return make_app(project, TRAIN_TOKEN=TOKEN, TRAIN_COMMAND=prepare_training(project))


@pytest.fixture
def client(app):
    client = app.test_client()
    yield client
    for job in client.get("/train/jobs", headers=BEARER).get_json():
        if job["status"] == "running":
            client.post(f"{job['url']}/cancel", headers=BEARER)
            follow(client, job["url"])


def start(client, environment):
    response = client.post("/train", json={"environment": environment}, headers=BEARER)
    assert response.status_code == 202
    assert response.headers["Location"] == response.get_json()["url"]
    return response.get_json()["url"]


def served_run(client):
    client.get("/readyz")  # which looks for a new model
    for thread in threading.enumerate():
        if thread.name == "model-reload":
            thread.join()
    return client.get("/readyz").get_json()["run_id"]


def content_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_programs_see_what_the_page_shows(client):
    url = start(client, "quick")
    follow(client, url)
    shown = client.get("/train", headers=BEARER | {"Accept": "application/json"}).get_json()
    assert {"local", "quick"} <= set(shown["environments"])
    assert [job["url"] for job in shown["jobs"]] == [url]
    assert shown["served_run_id"] in (RUN_ID, "a-new-run")
    problem(client.get("/train", headers={"Accept": "application/json"}), 401, "no-token")


# What a job does


def test_a_run_that_ends_well_is_served_without_a_restart(client):
    assert served_run(client) == RUN_ID
    states = follow(client, start(client, "quick"))

    assert states[0]["status"] == "running"
    job = states[-1]
    assert (job["status"], job["promoted"], job["error"], job["run_id"]) == ("succeeded", True, None, "a-new-run")
    assert job["figures"]["accuracy"]["n"] == 40
    assert [(node["name"], node["status"], node["seconds"]) for node in job["nodes"]] == [
        ("model_training.train_head_node", "done", 1.5),
        ("model_evaluation.measure_performance_node", "done", 0.5),
    ]
    assert job["epoch"] == {"epoch": 2, "epochs": 9, "figures": {"loss": 0.5, "val_loss": 1.0}}
    assert job["curve"] == [[1, 1.0, 2.0], [2, 0.5, 1.0]]
    assert served_run(client) == "a-new-run"
    assert client.get("/readyz").get_json()["version"] == "2"
    assert client.get(job["url"], headers=BEARER).get_json()["served"] is True


def test_a_run_that_fails_says_why_and_leaves_the_former_model(client, project):
    client.get("/readyz")
    before = content_of(project / CLASSIFIER)
    job = follow(client, start(client, "failing"))[-1]

    assert (job["status"], job["promoted"]) == ("failed", False)
    assert job["error"] == "model_evaluation.measure_performance_node: ValueError: no test images"
    assert [node["status"] for node in job["nodes"]] == ["done", "failed"]
    assert served_run(client) == RUN_ID
    assert content_of(project / CLASSIFIER) == before  # after a restart too
    page = client.get(f"/train?token={TOKEN}", headers=HTML, follow_redirects=True).get_data(as_text=True)
    assert "no test images" in page
    assert "The former model goes on answering" in page
    assert "<h3>Epoch 2 is kept, of 2</h3>" in page


def test_a_run_whose_model_is_refused_by_the_gate_is_not_served_and_the_page_says_how_to_serve_it(client, project):
    before = content_of(project / CLASSIFIER)
    job = follow(client, start(client, "refused"))[-1]
    assert (job["status"], job["promoted"], job["run_id"]) == ("succeeded", False, "a-new-run")
    assert job["error"].startswith("It is worse than the champion.")
    assert job["figures"]["accuracy"]["n"] == 40
    assert served_run(client) == RUN_ID
    assert content_of(project / CLASSIFIER) == before
    page = client.get(f"/train?token={TOKEN}", headers=HTML, follow_redirects=True).get_data(as_text=True)
    assert "This model is not served" in page
    assert "kedro record promote 2" in page


def test_a_run_that_is_refused_before_its_first_step_says_why(client):
    job = follow(client, start(client, "held"))[-1]
    assert (job["status"], job["error"]) == ("failed", "ProjectHeldError: Another run is using it: process 7.")
    page = client.get(f"/train?token={TOKEN}", headers=HTML, follow_redirects=True).get_data(as_text=True)
    assert "Another run is using it" in page


def test_a_run_that_evaluates_nothing_serves_nothing_and_says_so(client, project):
    before = content_of(project / CLASSIFIER)
    job = follow(client, start(client, "silent"))[-1]
    assert (job["status"], job["promoted"], job["error"]) == ("succeeded", False, "The run evaluated no model.")
    assert content_of(project / CLASSIFIER) == before


def test_the_page_names_the_version_that_is_served_and_when_it_was_promoted(client):
    client.get("/readyz")
    page = client.get(f"/train?token={TOKEN}", headers=HTML, follow_redirects=True).get_data(as_text=True)
    assert "<dt>Version</dt><dd>1, promoted" in page


def test_only_one_job_runs_whoever_asks_and_cancelling_ends_all_its_processes(client, app, make_app):
    before = content_of(Path(app.config["PROJECT"], CLASSIFIER))
    url = start(client, "endless")
    job = wait_until(client, url, lambda job: any(line.startswith("child") for line in job["log"]))
    child = int(re.search(r"child (\d+)", "\n".join(job["log"]))[1])
    other_worker = make_app(app.config["PROJECT"], TRAIN_TOKEN=TOKEN).test_client()
    problem(other_worker.post("/train", json={}, headers=BEARER), 409, "job-running")
    assert other_worker.get(url, headers=BEARER).get_json()["status"] == "running"

    assert other_worker.post(f"{url}/cancel", headers=BEARER).status_code == 202
    assert follow(client, url)[-1]["status"] == "cancelled"
    with suppress(FileNotFoundError):  # it may still be there for its parent to look at
        assert Path(f"/proc/{child}/stat").read_text().split()[2] == "Z"
    problem(client.post(f"{url}/cancel", headers=BEARER), 409, "job-ended")
    assert served_run(client) == RUN_ID
    assert content_of(Path(app.config["PROJECT"], CLASSIFIER)) == before


def test_a_job_whose_keeper_was_killed_still_counts_can_be_ended_and_is_tidied_up(client, app):
    url = start(client, "endless")
    wait_until(client, url, lambda job: job["log"])
    record = Path(app.config["PROJECT"], "data/training_jobs", url.split("/")[-1], "job.json")
    os.kill(json.loads(record.read_text())["runner"], signal.SIGKILL)

    problem(client.post("/train", json={}, headers=BEARER), 409, "job-running")
    assert client.post(f"{url}/cancel", headers=BEARER).status_code == 202
    job = follow(client, url)[-1]
    assert (job["status"], job["error"]) == ("failed", "Its process was killed.")
    assert follow(client, start(client, "quick"))[-1]["status"] == "succeeded"
    assert json.loads(record.read_text())["status"] == "failed"


def test_a_command_that_cannot_run_fails_the_job(client, app):
    app.extensions["jobs"]._command[:] = ["/no/such/command"]
    job = follow(client, start(client, "quick"))[-1]
    assert job["status"] == "failed"
    assert "/no/such/command" in job["error"]


def test_the_run_does_not_get_the_servers_secrets(client, monkeypatch):
    monkeypatch.setenv("CHEST_CANCER_TRAIN_TOKEN", TOKEN)
    assert follow(client, start(client, "quick"))[-1]["log"] == ["secrets: []"]


def test_the_environment_must_exist(client):
    for body in ({"environment": "../base"}, {"environment": ["local"]}, {"environment": None}):
        detail = problem(client.post("/train", json=body, headers=BEARER), 400, "no-environment")
        assert (
            detail
            == "Expected `environment` to be one of local, endless, failing, held, patient, quick, refused, silent."
        )
    for body in ([], "local", 1):
        assert problem(client.post("/train", json=body, headers=BEARER), 400, "invalid-order")


def test_where_training_is_not_installed_it_says_so(client, monkeypatch):
    monkeypatch.setattr("app.training.find_spec", lambda name: None)
    assert "make run" in problem(client.post("/train", json={}, headers=BEARER), 503, "not-installed")


@pytest.mark.parametrize("job_id", ["20260101-000000-abcd", "..", ".lock", "%2e%2e%2f%2e%2e", "x" * 300])
def test_a_job_that_is_not_there_is_not_found(client, job_id):
    for response in (
        client.get(f"/train/jobs/{job_id}", headers=BEARER),
        client.get(f"/train/jobs/{job_id}/events", headers=BEARER),
        client.post(f"/train/jobs/{job_id}/cancel", headers=BEARER),
    ):
        assert response.status_code == 404


def test_only_so_many_pages_follow_at_once(project, make_app):
    app = make_app(project, TRAIN_TOKEN=TOKEN, MAX_STREAMS=1)
    folder = project / "data/training_jobs/20260101-000000-abcd"
    folder.mkdir(parents=True)
    ended = {"id": folder.name, "status": "failed", "environment": "local", "started": "2026-01-01T00:00:00+00:00"}
    (folder / "job.json").write_text(json.dumps(ended))
    first = app.test_client().get(f"/train/jobs/{folder.name}/events", headers=BEARER)
    refused = app.test_client().get(f"/train/jobs/{folder.name}/events", headers=BEARER)
    problem(refused, 503, "busy")
    assert refused.headers["Retry-After"]
    first.close()
    assert app.test_client().get(f"/train/jobs/{folder.name}/events", headers=BEARER).status_code == 200


def test_a_long_curve_is_thinned_but_keeps_its_last_epoch():
    figures = {"loss": 1.0, "val_loss": 1.0}
    events = [{"event": "epoch", "epoch": i, "epochs": 1000, "figures": figures} for i in range(1, 1001)]
    curve = summarise(events, "running")["curve"]
    assert len(curve) <= 121
    assert (curve[0][0], curve[-1][0]) == (1, 1000)


# Who may


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/train"),
        ("POST", "/train"),
        ("GET", "/train/jobs"),
        ("GET", "/train/jobs/20260101-000000-abcd"),
        ("GET", "/train/jobs/20260101-000000-abcd/events"),
        ("POST", "/train/jobs/20260101-000000-abcd/cancel"),
        ("POST", "/train/logout"),
    ],
)
def test_without_the_token_nothing_is_started_listed_or_cancelled(client, app, make_app, method, path):
    for authorization in ("", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN):
        headers = {"Authorization": authorization, "X-CSRF-Token": TOKEN}
        response = app.test_client().open(path, method=method, headers=headers)
        problem(response, 401, "no-token")
        assert response.headers["WWW-Authenticate"] == "Bearer"
    off = make_app(app.config["PROJECT"]).test_client()
    for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer"}):
        assert "make serve" in problem(off.open(path, method=method, headers=headers), 403, "training-off")
    assert not Path(app.config["PROJECT"], "data/training_jobs").exists()


def test_where_training_is_off_a_browser_reads_how_to_turn_it_on(project, make_app):
    response = make_app(project).test_client().get("/train", headers=HTML)
    assert response.status_code == 403
    assert "CHEST_CANCER_TRAIN_TOKEN" in response.get_data(as_text=True)
    assert make_app(project).test_client().post("/train/login", data={"token": ""}).status_code == 403


def test_a_short_token_is_refused_at_the_start(project, make_app):
    with pytest.raises(ValueError, match="expected at least 16 characters"):
        make_app(project, TRAIN_TOKEN="short")


def test_the_printed_link_and_the_form_log_in_and_logging_out_ends_it(client, app):
    page = client.get("/train", headers=HTML)
    assert page.status_code == 401
    assert '<input id="token"' in page.get_data(as_text=True)
    wrong = client.post("/train/login", data={"token": "wrong"}, headers=HTML)
    assert wrong.status_code == 401
    assert "That is not the token" in wrong.get_data(as_text=True)
    csrf = log_in(client)
    assert "Start training" in client.get("/train", headers=HTML).get_data(as_text=True)
    assert client.post("/train/logout", data={"csrf": csrf}).status_code == 303
    assert client.get("/train", headers=HTML).status_code == 401

    link = app.test_client()
    response = link.get(f"/train?token={TOKEN}", headers=HTML)
    assert (response.status_code, response.headers["Location"]) == (303, "/train")
    assert link.get("/train", headers=HTML).status_code == 200
    assert app.test_client().get("/train?token=wrong", headers=HTML).status_code == 401


def test_the_session_cookie_is_kept_from_scripts_other_sites_and_other_pages(app):
    headers = app.test_client().post("/train/login", data={"token": TOKEN}).headers
    for part in ("HttpOnly", "SameSite=Strict", "Path=/train", "Expires="):
        assert part in headers["Set-Cookie"]
    assert "Secure" not in headers["Set-Cookie"]
    secure = app.test_client().post("/train/login", data={"token": TOKEN}, base_url="https://example.org").headers
    assert "Secure" in secure["Set-Cookie"]
    assert TOKEN not in headers["Set-Cookie"]


def test_a_session_that_someone_else_began_is_not_taken_over(app):
    attacker, victim = app.test_client(), app.test_client()
    attacker.get("/train", headers=HTML)
    with attacker.session_transaction(path="/train") as session:
        session["csrf"] = "known-to-the-attacker"
    fixed = attacker.get_cookie("chest_cancer_session", path="/train").value
    victim.set_cookie("chest_cancer_session", fixed, path="/train")
    log_in(victim)
    assert victim.get_cookie("chest_cancer_session", path="/train").value != fixed
    with victim.session_transaction(path="/train") as session:
        assert session["csrf"] != "known-to-the-attacker"
    # What the attacker has is still no session of anyone.
    assert attacker.get("/train", headers=HTML).status_code == 401


def test_a_cookie_signed_for_another_token_is_worthless(client, project, make_app):
    log_in(client)
    other = make_app(project, TRAIN_TOKEN="another-token-of-enough-characters").test_client()
    other.set_cookie(
        "chest_cancer_session", client.get_cookie("chest_cancer_session", path="/train").value, path="/train"
    )
    assert other.get("/train", headers=HTML).status_code == 401


def test_a_session_needs_its_csrf_token_for_whatever_changes_something(client):
    csrf = log_in(client)
    for sent in ({}, {"csrf": ""}, {"csrf": "wrong"}, {"csrf": csrf[:-1]}):
        for path in ("/train", "/train/jobs/20260101-000000-abcd/cancel", "/train/logout"):
            problem(client.post(path, data=sent), 403, "no-csrf-token")
    assert client.get("/train/jobs").get_json() == []
    assert client.post("/train", data={"csrf": csrf, "environment": "quick"}, headers=HTML).status_code == 303
    (job,) = client.get("/train/jobs").get_json()
    follow(client, job["url"])
    assert client.post("/train", json={"environment": "quick"}, headers={"X-CSRF-Token": csrf}).status_code == 202
    follow(client, client.get("/train/jobs").get_json()[0]["url"])


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:81"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_requests_of_other_sites_pages_are_refused(client, headers):
    csrf = log_in(client)
    problem(client.post("/train", data={"csrf": csrf}, headers=headers), 403, "cross-origin")
    problem(client.post("/train/login", data={"token": TOKEN}, headers=headers), 403, "cross-origin")
    own = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    assert client.post("/train/logout", data={"csrf": csrf}, headers=own).status_code == 303


def test_no_other_site_may_frame_or_read_the_page(client):
    log_in(client)
    for path in ("/train", "/train/jobs"):
        headers = client.get(path, headers={**HTML, "Origin": "https://elsewhere.example"}).headers
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert not [name for name, _ in headers if name.startswith("Access-Control")]
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
