"""What a run is asked for over HTTP: images, parameters, what it may replace; and what becomes of an archive."""

import gzip
import io
import json
import re
import shutil
from pathlib import Path

import pytest
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from serving import TOKEN, prepare_training
from training_client import BEARER, HTML, follow, log_in, problem, wait_until

ZIP = b"PK\x05\x06" + bytes(18)
REFUSED = [
    ({"epochs": 20000}, "`model_training.epochs`: Input should be less than or equal to 10000. Received: 20000"),
    ({"epochs": "many"}, "`model_training.epochs`: Input should be a valid integer, unable to parse"),
    ({"head": "tree"}, "`model_training.head`: Input should be 'auto', 'linear', 'dense', 'kernel' or 'cells'"),
    ({"replaces": 0}, "`model_evaluation.replaces`: Input should be greater than or equal to 1. Received: 0"),
    ({"table": "../labels.csv"}, "expected a path inside of the archive or folder. Received: '../labels.csv'"),
    ({"table": "/etc/hosts"}, "expected a path inside of the archive or folder. Received: '/etc/hosts'"),
    ({"table": "conf/base/catalog.yml"}, "expected a path inside of the archive or folder."),
    ({"table": "x" * 5000}, "expected a path inside of the archive or folder."),
    ({"epochs": True}, "`model_training.epochs`: expected one value. Received: True"),
    ({"table": {"a": 1}}, "`data_ingestion.table.path`: expected one value."),
    ({"folder": "slices"}, "folders of this machine are not allowed here unless CHEST_CANCER_TRAIN_ROOT names"),
    ({"source": "phantom"}, "Expected only environment, folder, table, epochs, head, replaces. Received: 'source'."),
    ({"archive": "images.zip"}, "Received: 'archive'."),
]  # fmt: skip


@pytest.fixture
def app(project, make_app):
    command = prepare_training(project)
    settings = {"TRAIN_COMMAND": command, "ROLLBACK_COMMAND": [*command, "rollback"], "TRAIN_UPLOAD_BYTES": 4096}
    return make_app(project, TRAIN_TOKEN=TOKEN, **settings)


@pytest.fixture
def client(app):
    return app.test_client()


def start(client, **fields):
    response = client.post("/train", data={"environment": "quick", **fields}, headers=BEARER)
    assert response.status_code == 202, response.get_json()
    return response.get_json()["url"]


def archive(content=ZIP, name="slices.zip"):
    return io.BytesIO(content), name


def params_of(app, url):
    file = jobs_of(app) / url.split("/")[-1] / "run.yml"
    return json.loads(file.read_text())["run"]["params"] if file.exists() else None


def jobs_of(app):
    return Path(app.config["PROJECT"], "data/training_jobs")


def test_what_differs_from_the_settings_is_what_the_run_gets_with_the_types_of_its_parameters(app, client):
    url = start(client, epochs="20", head="kernel", replaces="1", table="labels.csv")
    job = follow(client, url)[-1]
    assert params_of(app, url) == {
        "data_ingestion": {"table": {"path": "labels.csv"}},
        "model_training": {"epochs": 20, "head": "kernel"},
        "model_evaluation": {"replaces": 1},
    }
    assert job["asked"]["model_training.epochs"] == 20
    assert (job["version"], job["data"]["synthetic"]) == ("2", True)


def test_what_is_left_empty_stays_as_the_settings_are(app, client):
    url = start(client, epochs="", head="", table="", archive=archive(b"", ""))
    assert follow(client, url)[-1]["asked"] == {}
    assert params_of(app, url) is None


@pytest.mark.parametrize(
    ("body", "said"), REFUSED, ids=lambda value: next(iter(value)) if isinstance(value, dict) else ""
)
def test_what_a_parameter_does_not_take_is_refused_as_a_run_would_refuse_it(app, client, body, said):
    assert said in problem(client.post("/train", json=body, headers=BEARER), 400, "invalid-order")
    assert client.get("/train/jobs", headers=BEARER).get_json() == []
    assert [path.name for path in jobs_of(app).iterdir()] == [".lock"]


def test_text_from_outside_is_no_reference_to_another_value(app, client):
    url = start(client, table="${seed}.csv")
    assert follow(client, url)[-1]["asked"] == {"data_ingestion.table.path": "${seed}.csv"}
    assert params_of(app, url) == {"data_ingestion": {"table": {"path": r"\${seed}.csv"}}}


def test_the_form_says_what_is_wrong_at_the_field_and_keeps_what_was_filled_in(client):
    csrf = log_in(client)
    filled = {"csrf": csrf, "environment": "quick", "epochs": "0", "table": "labels.csv"}
    response = client.post("/train", data=filled, headers=HTML)
    assert response.status_code == 400
    page = response.get_data(as_text=True)
    error = re.search(r'<p class="error" id="epochs-error">(.+?)</p>', page)[1]
    assert error.startswith("<code>model_training.epochs</code>: Input should be greater than or equal to 1.")
    field = re.search(r'<input id="epochs".+?>', page)[0]
    assert 'aria-describedby="epochs-hint epochs-error"' in field
    assert 'aria-invalid="true"' in field
    assert 'value="0"' in field
    assert 'value="labels.csv"' in page
    assert '<option value="quick" selected>' in page


def test_the_form_names_the_images_of_each_choice_and_what_would_be_replaced(app, client):
    Path(app.config["PROJECT"], "conf/quick/parameters.yml").write_text(
        "data_ingestion: {source: 'https://me:secret@images.example/set.zip?key=1'}"
    )
    Path(app.config["PROJECT"], "conf/silent/parameters.yml").write_text("data_ingestion: {source: [")
    client.get("/readyz")
    log_in(client)
    page = client.get("/train", headers=HTML).get_data(as_text=True)
    assert ">local: 400 synthetic phantoms</option>" in page
    assert ">quick: images from images.example</option>" in page
    assert "secret" not in page
    assert ">silent: settings that can&#39;t be read</option>" in page
    assert "May replace version 1 without a comparison" in page
    assert "Version 1 is of synthetic phantoms:" in page


def test_an_archive_is_trained_on_kept_in_the_jobs_own_folder_and_deleted_when_the_job_ends(app, client):
    job = follow(client, start(client, archive=archive(name="../../Chest CT.zip")))[-1]
    folder = jobs_of(app) / job["id"]
    source = f"data/training_jobs/{job['id']}/upload/Chest_CT.zip"
    assert job["asked"] == {"data_ingestion.source": source, "data_ingestion.sha256": None}
    assert f"source: {source} {ZIP[:20]!r}" in job["log"]
    assert job["data"]["synthetic"] is False
    assert sorted(path.name for path in folder.iterdir()) == [
        "job.json", "log.txt", "model_card.md", "progress.jsonl", "report.html", "run.yml",
    ]  # fmt: skip
    assert folder.stat().st_mode & 0o077 == 0


def test_an_archive_of_a_job_that_is_cancelled_or_fails_is_deleted_too(app, client):
    url = start(client, environment="endless", archive=archive())
    wait_until(client, url, lambda job: job["log"])
    folder = jobs_of(app) / url.split("/")[-1]
    assert [path.name for path in (folder / "upload").iterdir()] == ["slices.zip"]
    client.post(f"{url}/cancel", headers=BEARER)
    assert follow(client, url)[-1]["status"] == "cancelled"
    assert not (folder / "upload").exists()
    follow(client, url := start(client, environment="failing", archive=archive()))
    assert not (jobs_of(app) / url.split("/")[-1] / "upload").exists()


def test_nothing_of_an_archive_stays_where_its_run_is_refused(app, client):
    for fields, status in (
        ({"archive": archive(bytes(5000))}, 413),
        ({"archive": archive(), "epochs": "0"}, 400),
        ({"archive": archive(), "folder": "x"}, 400),
        ({"archive": [archive(), archive()]}, 400),
        ({"archive": "slices.zip"}, 400),
    ):
        assert client.post("/train", data=fields, headers=BEARER).status_code == status
    csrf = log_in(client)
    wrong = {"csrf": csrf[:-1], "archive": archive()}
    problem(client.post("/train", data=wrong), 403, "no-csrf-token")
    assert [path.name for path in jobs_of(app).iterdir()] == [".lock"]


def test_a_form_that_ends_early_starts_nothing(app, client):
    boundary, body = encode_multipart({"environment": "quick", "archive": FileStorage(*archive())})
    form = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    for data, headers in ((body[:-10], form), (body[:120], form), (body, {"Content-Type": "text/plain"})):
        response = client.post("/train", data=data, headers=BEARER | headers)
        assert "the whole of it" in problem(response, 400, "invalid-order")
    assert [path.name for path in jobs_of(app).iterdir()] == [".lock"]


def test_an_archive_of_a_stranger_is_not_even_received(app, client, monkeypatch):
    monkeypatch.setattr("app.training.receiving", lambda *_: pytest.fail("received"))
    problem(client.post("/train", data={"archive": archive()}), 401, "no-token")
    log_in(client)
    foreign = {"Origin": "https://elsewhere.example"}
    problem(client.post("/train", data={"archive": archive()}, headers=foreign), 403, "cross-origin")


def test_what_a_killed_server_was_receiving_is_removed_by_the_next_job(app, client):
    left = jobs_of(app) / "20260101-000000-abcd" / "upload"
    left.mkdir(parents=True)
    (left / "0123").write_bytes(ZIP)
    follow(client, start(client))
    assert not left.parent.exists()


def test_an_archive_that_is_packed_again_is_held_to_the_limit_of_any_other_request(project, make_app):
    app = make_app(project, TRAIN_TOKEN=TOKEN, MAX_CONTENT_LENGTH=1000)
    form = {"Content-Encoding": "gzip", "Content-Type": "multipart/form-data; boundary=x"}
    response = app.test_client().post("/train", data=gzip.compress(bytes(5000)), headers=BEARER | form)
    problem(response, 413, "too-large")


def test_a_folder_has_to_lie_below_the_allowed_one(project, make_app, tmp_path):
    root = tmp_path / "allowed"
    (root / "set").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    (root / "link").symlink_to(tmp_path / "secret")
    app = make_app(project, TRAIN_TOKEN=TOKEN, TRAIN_COMMAND=prepare_training(project), TRAIN_ROOT=str(root))
    client = app.test_client()
    for folder in ("../secret", "link", str(tmp_path / "secret"), "missing", "..", "x" * 5000, "a\0b"):
        response = client.post("/train", json={"folder": folder}, headers=BEARER)
        assert "expected a folder or an archive below the allowed one" in problem(response, 400, "invalid-order")
    job = follow(client, start(client, folder="set"))[-1]
    assert job["asked"]["data_ingestion.source"] == str(root / "set")
    log_in(client)
    assert '<input id="folder"' in client.get("/train", headers=HTML).get_data(as_text=True)


# After a run


def test_the_former_model_is_served_again_from_the_page(app, client):
    follow(client, start(client))
    client.get("/readyz")
    csrf = log_in(client)
    problem(client.post("/train/rollback"), 403, "no-csrf-token")
    assert client.post("/train/rollback", data={"csrf": csrf}, headers=HTML).status_code == 303
    url = client.get("/train/jobs").get_json()[0]["url"]
    job = follow(client, url)[-1]
    assert (job["task"], job["status"], job["error"]) == ("roll back", "succeeded", None)
    version = Path(app.config["PROJECT"], "data/06_models/classifier/version.json")
    assert json.loads(version.read_text())["version"] == "1"


def test_a_roll_back_that_is_not_possible_says_why_in_full(app, client):
    shutil.rmtree(Path(app.config["PROJECT"], "former"))
    response = client.post("/train/rollback", headers=BEARER)
    assert response.status_code == 202
    job = follow(client, response.get_json()["url"])[-1]
    assert job["status"] == "failed"
    assert job["error"].endswith("ValueError: there was none before it to go back to.")
    log_in(client)
    page = client.get("/train", headers=HTML).get_data(as_text=True)
    assert page.index("The roll-back failed") < page.index("Train a model")
    assert "Roll back to version" not in page  # of the first model there is none before it


def test_reports_of_a_run_stay_with_it_and_can_do_nothing_on_this_site(app, client):
    first = follow(client, start(client))[-1]
    assert list(first["reports"]) == ["report.html", "model_card.md"]
    response = client.get(first["reports"]["report.html"], headers=BEARER)
    assert response.mimetype == "text/html"
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-scripts; default-src 'none'")
    assert "allow-same-origin" not in policy
    card = client.get(first["reports"]["model_card.md"], headers=BEARER)
    assert (card.mimetype, card.get_data(as_text=True)) == ("text/plain", "# The model card")
    assert follow(client, start(client, environment="failing"))[-1]["reports"] == {}  # what lies there is not its own
    for name in ("job.json", "data_card.md", "..%2fjob.json"):
        assert client.get(f"{first['url']}/reports/{name}", headers=BEARER).status_code == 404
    assert client.get(first["reports"]["report.html"], headers={"Accept": "text/html"}).status_code == 401


def test_two_runs_are_compared_with_intervals_and_what_differs(client):
    jobs = [follow(client, start(client, epochs=epochs))[-1]["id"] for epochs in ("", "20")]
    log_in(client)
    page = client.get(f"/train/compare?job={jobs[1]}&job={jobs[0]}", headers=HTML).get_data(as_text=True)
    row = re.search(r"Answered rightly \(accuracy\)</th>(.+?)</tr>", page, re.DOTALL)[1]
    assert re.findall(r">(.+?)</td>", row) == ["0.90 (0.80 to 0.95), n = 40"] * 2
    changed = re.search(r"<code>model_training.epochs</code></th>(.+?)</tr>", page, re.DOTALL)[1]
    assert re.findall(r">(.+?)</td>", changed) == ["300", "20"]
    assert "<code>seed</code>" not in page
    assert "Both were tested on the same images" in page
    for query in ("", f"job={jobs[0]}", "&".join(f"job={job}" for job in (*jobs, jobs[0]))):
        assert client.get(f"/train/compare?{query}", headers=HTML).status_code == 400
    assert client.get("/train/compare?job=a&job=b", headers=HTML).status_code == 404


def test_runs_of_other_images_are_said_not_to_be_comparable(client, app):
    jobs = [follow(client, start(client))[-1]["id"] for _ in range(2)]
    record = jobs_of(app) / jobs[1] / "job.json"
    job = json.loads(record.read_text())
    record.write_text(json.dumps(job | {"data": job["data"] | {"digest": "ef" * 32}}))
    log_in(client)
    page = client.get(f"/train/compare?job={jobs[0]}&job={jobs[1]}", headers=HTML).get_data(as_text=True)
    assert "They were tested on different images" in page


def test_a_run_leads_to_its_record_where_an_address_of_mlflow_is_set(project, make_app):
    settings = {"TRAIN_COMMAND": prepare_training(project), "MLFLOW_ADDRESS": "https://mlflow.example/"}
    client = make_app(project, TRAIN_TOKEN=TOKEN, **settings).test_client()
    follow(client, start(client))
    log_in(client)
    page = client.get("/train", headers=HTML).get_data(as_text=True)
    assert '<a href="https://mlflow.example/#/runs/a-new-run">' in page
