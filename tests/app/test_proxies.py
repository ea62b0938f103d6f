"""Behind a proxy: what it says is believed only if somebody said that it is there."""

import json
import re
import select
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest

from app import create_app
from conftest import PROJECT
from serving import TOKEN, prepare_training, serve

SAID = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "ct.example.org",
    "X-Forwarded-Prefix": "/ct",
}
HTML = {"Accept": "text/html"}


def test_without_the_setting_nobody_can_say_who_and_where_they_are(project, make_app):
    page = make_app(project).test_client().get("/reference", headers=SAID).get_data(as_text=True)
    assert "http://localhost/predict" in page
    assert "example.org" not in page


def test_prefix_host_and_scheme_are_those_of_the_proxy(project, make_app):
    client = make_app(project, PROXIES=1, TRAIN_TOKEN=TOKEN).test_client()
    page = client.get("/reference", headers=SAID).get_data(as_text=True)
    assert "https://ct.example.org/ct/predict" in page
    assert all(address.startswith("/ct/") for address in re.findall(r'(?:href|src|action)="(/.*?)"', page))
    response = client.post("/train/login", data={"token": TOKEN}, headers=SAID | {"Origin": "https://ct.example.org"})
    assert response.headers["Location"] == "/ct/train"
    cookie = response.headers["Set-Cookie"]
    assert "Path=/ct/train" in cookie
    assert "Secure" in cookie


def test_guesses_count_by_the_address_that_the_last_proxy_names(project, make_app):
    client = make_app(project, PROXIES=1, TRAIN_TOKEN=TOKEN).test_client()
    for number in range(11):
        forged = {"X-Forwarded-For": f"192.0.2.{number}, 203.0.113.9", "Authorization": "Bearer wrong"}
        status = client.get("/train/jobs", headers=forged).status_code
    assert status == 429
    assert client.get("/train/jobs", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_only_allowed_hosts_are_answered_except_about_health(project, make_app):
    client = make_app(project, ALLOWED_HOSTS=["ct.example.org", ".inside.example"]).test_client()
    for host, status in [
        ("ct.example.org", 200),
        ("ct.example.org:8080", 200),
        ("a.inside.example", 200),
        ("evil.example", 400),
        ("ct.example.org.evil.example", 400),
    ]:
        assert client.get("/reference", headers={"Host": host}).status_code == status
        assert client.get("/healthz", headers={"Host": host}).status_code == 200
    refused = client.get("/", headers={"Host": "evil.example"}).get_json()
    assert refused["type"] == "urn:chest-cancer:problem:unknown-host"
    assert refused["detail"] == "Expected a name of this site in the header Host."


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        (
            "ALLOWED_HOSTS",
            "ct.example.org",
            r'a JSON list of texts, such as \["one"\]\. Received: \'ct\.example\.org\'',
        ),
        ("CORS_ORIGINS", [1], r'a JSON list of texts, such as \["one"\]\. Received: \[1\]'),
        ("CORS_ORIGINS", ["*"], r"expected origins such as https://viewer\.example, without a path\. Received: '\*'"),
        ("CORS_ORIGINS", ["https://a.example/"], r"without a path\. Received: 'https://a\.example/'"),
        ("PROXIES", -1, r"a whole number of at least 0\. Received: -1"),
    ],
)
def test_a_setting_that_is_none_is_refused_at_the_start(setting, value, expected):
    with pytest.raises(ValueError, match=rf"CHEST_CANCER_{setting}: .*{expected}"):
        create_app({setting: value})


def test_a_proxy_may_leave_the_prefix_in_the_path(trained_project, tmp_path):
    with serve(trained_project, tmp_path / "log", SCRIPT_NAME="/ct") as server:
        assert server.send("GET", "/ct/healthz")[0] == 200
        connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
        connection.request("GET", "/ct/reference")
        page = connection.getresponse().read().decode()
        connection.close()
    assert 'href="/ct/static/app.css"' in page


# Real proxies

NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error;
events {{}}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port};
    {documented}
  }}
}}
"""
CADDY = """
{{
	admin off
	auto_https off
}}
http://127.0.0.1:{port} {{
	{documented}
}}
"""


def documented(proxy: str, port: int) -> str:
    """What docs/serving.md gives for a proxy, in front of an app on a port."""
    [block] = re.findall(rf"```{proxy}\n(.*?)```", (PROJECT / "docs/serving.md").read_text(), re.DOTALL)
    assert "127.0.0.1:8080" in block
    return block.replace("127.0.0.1:8080", f"127.0.0.1:{port}")


@pytest.fixture(params=["nginx", "caddy"])
def proxied(request, project, tmp_path, monkeypatch):
    """The port of a real proxy that serves the app under /ct."""
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    settings = {"CHEST_CANCER_PROXIES": "1", "CHEST_CANCER_TRAIN_TOKEN": TOKEN}
    settings["CHEST_CANCER_TRAIN_COMMAND"] = json.dumps(prepare_training(project))
    with serve(project, tmp_path / "log", **settings) as server, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        configuration = tmp_path / "Caddyfile"
        text = {"nginx": NGINX, "caddy": CADDY}[request.param]
        block = documented(request.param, server.port)
        configuration.write_text(text.format(folder=tmp_path, port=port, documented=block))
        command = {
            "nginx": ["nginx", "-e", str(tmp_path / "error"), "-p", str(tmp_path), "-c", str(configuration)],
            "caddy": ["caddy", "run", "--adapter", "caddyfile", "--config", str(configuration)],
        }[request.param]
        proxy = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            end = time.monotonic() + 20
            while time.monotonic() < end and proxy.poll() is None:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.02)
            yield port
        finally:
            proxy.terminate()
            proxy.wait()


def test_a_real_proxy_may_serve_the_app_below_a_prefix(proxied, encode):
    origin = f"http://127.0.0.1:{proxied}"

    def send(method, path, body=None, **headers):
        connection = HTTPConnection("127.0.0.1", proxied, timeout=30)
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response, text

    response, page = send("GET", "/ct/reference")
    assert response.status == 200
    assert f"{origin}/ct/predict" in page
    links = set(re.findall(r'(?:href|src|action)="(/.*?)"', page))
    assert "/ct/static/app.css" in links
    for link in links:
        assert send("GET", link)[0].status in (200, 401, 405), link
    response, records = send("POST", "/ct/predict", encode(0), **{"Content-Type": "image/png"})
    assert (response.status, '"Normal"' in records) == (200, True)
    form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": origin}
    response, _ = send("POST", "/ct/train/login", f"token={TOKEN}", **form)
    assert (response.status, response.headers["Location"]) == (303, "/ct/train")
    cookie = response.headers["Set-Cookie"].partition(";")[0]
    assert "Path=/ct/train" in response.headers["Set-Cookie"]
    assert send("GET", "/ct/train", Accept="text/html", Cookie=cookie)[0].status == 200


def test_a_proxy_holds_nothing_back_that_is_told_as_it_comes(proxied):
    connection = HTTPConnection("127.0.0.1", proxied, timeout=10)  # less than the app tells of a job at a time
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    connection.request("POST", "/ct/train", '{"environment": "endless"}', headers)
    response = connection.getresponse()
    job = json.loads(response.read())
    assert (response.status, job["status"]) == (202, "running")
    address = response.headers["Location"]
    try:
        connection.request("GET", f"{address}/events", headers=headers)
        with connection.getresponse() as told:
            assert told.readline() == b"retry: 1000\n"
    finally:
        connection.close()
        connection.request("POST", f"{address}/cancel", "{}", headers)
        with connection.getresponse() as cancelled:
            assert cancelled.status == 202
        connection.close()


def open_files() -> Iterator[str]:
    """What processes have open: nginx takes a file's name away as soon as it has opened it."""
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):  # it has ended, or is another user's
            yield str(link.readlink())


def test_a_proxy_lets_archives_through_and_writes_none_to_its_disk(proxied, tmp_path):
    connection = HTTPConnection("127.0.0.1", proxied, timeout=30)
    connection.putrequest("POST", "/ct/study")
    connection.putheader("Content-Type", "multipart/form-data; boundary=b")
    connection.putheader("Content-Length", str(100 * 1024 * 1024))
    connection.endheaders()
    try:
        connection.send(b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.zip"\r\n\r\n')
        for _ in range(40):
            connection.send(bytes(1024 * 1024))
        assert not select.select([connection.sock], [], [], 0)[0]  # it goes on, refused by nobody
        assert not [name for name in open_files() if name.startswith(str(tmp_path / "body"))]
    finally:
        connection.close()
