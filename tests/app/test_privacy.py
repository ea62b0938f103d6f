import io
import json
import logging
import os
import sys
from contextlib import contextmanager

import numpy as np
import pytest
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.test import encode_multipart

from app.access_log import JsonFormatter
from volume_files import phantom, series

_opened = None


def _watch(event, arguments):
    if event == "open" and _opened is not None:
        path, _, flags = arguments
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            _opened.append(path)


@pytest.fixture(scope="module")
def files_written():
    """Collects what the process opens for writing; an audit hook sees each opening, whoever does it."""
    sys.addaudithook(_watch)

    @contextmanager
    def watch():
        global _opened
        _opened = paths = []
        try:
            yield paths
        finally:
            _opened = None

    return watch


def test_large_uploads_never_reach_the_disk(client, noise_png, files_written, tmp_path):
    with files_written() as paths:
        (tmp_path / "proof").write_text("the watch works")
    assert paths
    # Encoded beforehand: Werkzeug's test client writes large forms to disk itself.
    boundary, body = encode_multipart({"image": FileStorage(io.BytesIO(noise_png), "noise.png")})
    content_type = f"multipart/form-data; boundary={boundary}"
    with files_written() as paths:
        response = client.post("/predict", data=body, content_type=content_type)
        page = client.post("/", data=body, content_type=content_type)
    assert response.status_code == page.status_code == 200
    assert paths == []


def test_studies_never_reach_the_disk_and_their_names_are_nowhere(client, files_written, caplog):
    caplog.set_level(logging.DEBUG)
    files = series(np.repeat(phantom()[None, ::2, ::2], 4, axis=0) + np.arange(4, dtype=np.int16)[:, None, None])
    parts = [("file", FileStorage(io.BytesIO(data), f"Doe/{name}")) for name, data in files.items()]
    boundary, body = encode_multipart(MultiDict(parts))
    content_type = f"multipart/form-data; boundary={boundary}"
    with files_written() as paths:
        whole = client.post("/study", data=body, content_type=content_type)
        address = client.post("/studies").get_json()["address"]
        added = client.post(f"{address}/files", data=body, content_type=content_type)
        answers = client.get(f"{address}/answers").get_data(as_text=True)
        assert client.get(f"{address}/slices/0").status_code == 200
        client.delete(address)
    assert (whole.status_code, added.status_code) == (200, 200)
    assert paths == []
    for text in (whole.get_data(as_text=True), answers, caplog.text):
        assert "Doe" not in text
        assert "4711" not in text
    assert address.rpartition("/")[2] not in caplog.text


def test_the_access_line_holds_no_name_query_or_content(client, encode, caplog):
    caplog.set_level(logging.DEBUG)
    client.post("/predict?patient=Doe", data={"image": (io.BytesIO(encode(255)), "john_doe.png")})
    client.post("/predict", data={"image": (io.BytesIO(b"Doe, John"), "john_doe.txt")})
    client.get("/john_doe.png")
    lines = [json.loads(JsonFormatter().format(record)) for record in caplog.records if record.name == "app.access"]
    assert [(line["method"], line["path"], line["status"]) for line in lines] == [
        ("POST", "/predict", 200),
        ("POST", "/predict", 422),
        ("GET", None, 404),
    ]
    assert all(
        set(line) == {"time", "level", "logger", "method", "path", "status", "ms", "request_id"} for line in lines
    )
    assert "doe" not in caplog.text.lower()


def test_a_crash_is_logged_without_its_text(trained_project, make_app, monkeypatch, caplog):
    name = "Doe, John"

    def crash(*_):
        raise RuntimeError(name)

    monkeypatch.setattr("app.prediction.read_slices", crash)
    response = make_app(trained_project, TESTING=False).test_client().post("/predict", json={"image": "aGk="})
    assert response.status_code == 500
    assert response.mimetype == "application/problem+json"
    assert response.headers["X-Request-ID"] in caplog.text
    assert "RuntimeError" in caplog.text
    assert "test_privacy.py" in caplog.text
    assert "Doe" not in caplog.text + response.get_data(as_text=True)


def test_the_log_holds_where_an_error_happened_and_not_what_it_said(caplog):
    try:
        raise ValueError("Doe, John")
    except ValueError:
        logging.getLogger("app").exception("It failed.")
    line = json.loads(JsonFormatter().format(caplog.records[-1]))
    assert (line["level"], line["message"], line["error"]) == ("error", "It failed.", "ValueError")
    assert "test_privacy.py" in line["trace"]
    assert "Doe" not in json.dumps({**line, "trace": line["trace"].replace('raise ValueError("Doe, John")', "")})


def test_a_sensible_request_id_is_kept(client):
    for sent in ("abc-123_4.5", "a" * 64):
        response = client.get("/healthz", headers={"X-Request-ID": sent})
        assert response.headers["X-Request-ID"] == sent
    for sent in ("", "a" * 65, "a b", '","status":200'):
        response = client.get("/healthz", headers={"X-Request-ID": sent})
        assert len(response.headers["X-Request-ID"]) == 32
