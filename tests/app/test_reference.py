import html
import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

import properties
from chest_cancer import __version__
from dicom_files import dicom
from serving import TOKEN, make_project, serve

NOT_DESCRIBED = {"/", "/reference", "/train/compare", "/train/login", "/train/logout", "/static/<path:filename>"}


def test_every_address_for_programs_is_described(client):
    described = client.get("/openapi.json").get_json()
    assert described["info"]["version"] == __version__
    routes = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", str(rule)), method.lower())
        for rule in client.application.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if str(rule) not in NOT_DESCRIBED
    }
    found = {(path, method) for path, item in described["paths"].items() for method in item}
    assert routes == found


def test_the_page_shows_every_address_and_object(client):
    text = client.get("/reference").get_data(as_text=True)
    described = client.get("/openapi.json").get_json()
    for path in described["paths"]:
        assert f"<code>{path}</code>" in text
    for name in re.findall(r'href="#(\w+)"', text):
        if name != "main":
            assert f'<h3 id="{name}">' in text
    assert len(re.findall(r'<h3 id="[A-Z]', text)) == len(described["components"]["schemas"])
    assert "`" not in text


@pytest.fixture
def examples(tmp_path):
    """The page's examples, beside a server and a slice that these are about; and how to run one."""
    (tmp_path / "slice.dcm").write_bytes(dicom())
    with serve(make_project(tmp_path / "project"), tmp_path / "log", CHEST_CANCER_TRAIN_TOKEN=TOKEN) as server:
        with closing(HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
            connection.request("GET", "/reference")
            page = connection.getresponse().read().decode()
        yield lambda name: html.unescape(re.search(rf'id="example-{name}">(.*?)</pre>', page, re.DOTALL)[1])


def test_the_examples_for_python_and_curl_work_as_they_stand(examples, tmp_path):
    def run(*command):
        environment = os.environ | {"CHEST_CANCER_TRAIN_TOKEN": TOKEN}
        result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        return result.stdout

    assert re.match(r"(Normal|Adenocarcinoma Cancer) 0\.\d+ None\n", run(sys.executable, "-c", examples("python")))
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    form, raw = examples("curl").splitlines()
    for command in (form, raw):
        (record,) = json.loads(run("sh", "-c", f"{command} --silent --show-error"))
        assert record["abstained"] is False
    assert json.loads(run("sh", "-c", f"{examples('training')} --silent"))["jobs"] == []


def test_schemathesis_finds_nothing(tmp_path):
    project = make_project(tmp_path / "project")
    # Each of the orders that it sends reads all of them, and starts a process where it is accepted.
    (project / "conf" / "base" / "parameters.yml").write_text("seed: 17\n")
    commands = {f"CHEST_CANCER_{name}_COMMAND": '["true"]' for name in ("TRAIN", "ROLLBACK")}
    settings = {"CHEST_CANCER_TRAIN_TOKEN": TOKEN, "CHEST_CANCER_MAX_STUDIES": "1000", **commands}
    with serve(project, tmp_path / "log", **settings) as server:
        each = properties.examples(1, 10).max_examples
        command = [
            Path(sys.executable).with_name("st"), "run", f"{server.address}/openapi.json", "--no-color",
            "-H", f"Authorization: Bearer {TOKEN}", "--phases", "coverage,fuzzing", "-n", str(each), "--seed", "1",
            "--continue-on-failure",
            # A schema can't say that bytes are an image.
            "--exclude-checks", "positive_data_acceptance",
        ]  # fmt: skip
        result = subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, env=os.environ | {"PYTHONWARNINGS": "ignore"}
        )
    assert result.returncode == 0, result.stdout
    assert "Tested: 19" in result.stdout
