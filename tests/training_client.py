"""What tests ask of training over HTTP, and how they follow a job."""

import json
import re

import pytest

from serving import TOKEN

HTML = {"Accept": "text/html"}
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def follow(client, url):
    """Read the stream to its end; what it says last is how the job ended."""
    text = ""
    while "event: end" not in text:
        text = client.get(f"{url}/events", headers=BEARER).get_data(as_text=True)
    return [json.loads(line) for line in re.findall(r"^data: (\{.+\})$", text, re.MULTILINE)]


def wait_until(client, url, true):
    """Follow a job until something is true of it."""
    with client.get(f"{url}/events", headers=BEARER) as response:
        for chunk in response.iter_encoded():
            for line in chunk.decode().splitlines():
                if line.startswith('data: {"id') and true(job := json.loads(line[6:])):
                    return job
    pytest.fail("The job ended first.")


def problem(response, status, kind):
    assert response.status_code == status
    assert response.get_json()["type"] == f"urn:chest-cancer:problem:{kind}"
    return response.get_json()["detail"]


def log_in(client):
    """Return the session's CSRF token."""
    assert client.post("/train/login", data={"token": TOKEN}).status_code == 303
    return re.search(r'name="csrf" value="(.+?)"', client.get("/train", headers=HTML).get_data(as_text=True))[1]
