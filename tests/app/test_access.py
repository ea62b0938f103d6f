"""Whoever guesses tokens waits, and a session that was ended is over."""

import re

import pytest

from app.attempts import Attempts
from app.ended_sessions import EndedSessions
from serving import TOKEN

HTML = {"Accept": "text/html"}
BEARER = {"Authorization": f"Bearer {TOKEN}"}
WRONG = {"Authorization": "Bearer a-guess-of-enough-characters"}
ELSEWHERE = {"REMOTE_ADDR": "192.0.2.7"}


@pytest.fixture
def app(project, make_app):
    return make_app(project, TRAIN_TOKEN=TOKEN)


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture
def clock(monkeypatch):
    """Seconds that a test may change."""
    now = [1000.0]
    monkeypatch.setattr("app.attempts.time.monotonic", lambda: now[0])
    return now


def guess(client, number, **environ):
    return [client.get("/train/jobs", headers=WRONG, environ_overrides=environ).status_code for _ in range(number)]


def test_whoever_sends_wrong_tokens_waits_a_minute_and_others_do_not(client, clock):
    assert guess(client, 12) == [401] * 10 + [429] * 2
    refused = client.get("/train/jobs", headers=BEARER)  # the right one is not even looked at
    assert refused.status_code == 429
    assert refused.get_json()["type"] == "urn:chest-cancer:problem:too-many-attempts"
    assert refused.headers["Retry-After"] == "60"
    assert "Try again after 60 s" in refused.get_json()["detail"]
    assert client.get("/train/jobs", headers=BEARER, environ_overrides=ELSEWHERE).status_code == 200
    clock[0] += 60
    assert client.get("/train/jobs", headers=BEARER).status_code == 200


def test_the_form_and_the_link_count_as_well(client, clock):
    for _ in range(5):
        assert client.post("/train/login", data={"token": "wrong"}, headers=HTML).status_code == 401
        assert client.get("/train?token=wrong", headers=HTML).status_code == 401
    assert client.post("/train/login", data={"token": TOKEN}, headers=HTML).status_code == 429
    assert client.get(f"/train?token={TOKEN}", headers=HTML).status_code == 429


def test_many_addresses_together_are_held_up_too(client, clock):
    statuses = [guess(client, 1, REMOTE_ADDR=f"198.51.100.{number}")[0] for number in range(110)]
    assert statuses == [401] * 100 + [429] * 10
    clock[0] += 60
    assert guess(client, 1, **ELSEWHERE) == [401]


def test_a_session_goes_on_while_tokens_are_guessed(client, clock):
    client.post("/train/login", data={"token": TOKEN})
    guess(client, 20)
    assert client.get("/train", headers=HTML).status_code == 200


def test_of_ipv6_a_whole_network_counts_as_one_and_memory_stays_bounded():
    attempts = Attempts()
    for number in range(1000):
        attempts.failed(f"2001:db8::{number:x}")
    assert attempts.wait_seconds("2001:db8::ffff") > 0
    assert len(attempts._failures) == 100


@pytest.mark.parametrize("is_writable", [True, False])
def test_logging_out_ends_the_session_for_whoever_kept_its_cookie(app, client, project, is_writable):
    if not is_writable:  # as on a volume that the app may only read
        (project / "data" / "training_jobs").write_text("a file, where the folder would be")
    client.post("/train/login", data={"token": TOKEN})
    cookie = client.get_cookie("chest_cancer_session", path="/train").value
    page = client.get("/train", headers=HTML).get_data(as_text=True)
    csrf = re.search(r'name="csrf" value="(.+?)"', page)[1]
    thief = app.test_client()
    thief.set_cookie("chest_cancer_session", cookie, path="/train")
    assert thief.get("/train", headers=HTML).status_code == 200

    assert client.post("/train/logout", data={"csrf": csrf}).status_code == 303

    assert thief.get("/train", headers=HTML).status_code == 401
    assert thief.get("/train/jobs").status_code == 401


def test_ended_sessions_are_known_to_other_workers_and_forgotten_when_they_have_run_out(tmp_path):
    folder = tmp_path / "ended"
    EndedSessions(folder, 3600).add("one")
    assert "one" in EndedSessions(folder, 3600)
    assert "another" not in EndedSessions(folder, 3600)
    EndedSessions(folder, -1).add("two")  # whose time is over, like that of `one`
    assert list(folder.iterdir()) == []
