"""`mlflow models serve` answers as the app does."""

import base64
import json
import os
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from app import create_app
from record.servers import free_port, running


def test_the_registered_model_answers_as_the_app_does(project: Path, tmp_path: Path) -> None:
    images = sorted((project / "data/01_raw/images").glob("*/*.png"))[::6]
    client = create_app({"PROJECT": str(project)}).test_client()
    expected = [
        client.post("/predict", json={"image": base64.b64encode(path.read_bytes()).decode()}).get_json()[0]
        for path in images
    ]
    port = free_port()
    command = [
        *(sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", "models:/VGG16Model@champion"),
        *("--env-manager", "local", "--port", str(port), "--workers", "1"),
    ]
    environment = os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{project}/mlflow.db"}
    rows = [[base64.b64encode(path.read_bytes()).decode()] for path in images]

    with running(command, f"http://127.0.0.1:{port}/ping", tmp_path / "log", cwd=tmp_path, env=environment):
        body = json.dumps({"dataframe_split": {"columns": ["image"], "data": rows}}).encode()
        request = Request(f"http://127.0.0.1:{port}/invocations", body, {"Content-Type": "application/json"})
        with urlopen(request, timeout=60) as response:
            received = json.load(response)["predictions"]

    assert len(received) == len(images) >= 5
    for row, answer in zip(received, expected, strict=True):
        assert (row["label"], row["abstained"]) == (answer["label"], answer["abstained"])
        assert row["reason"] == answer["reason"]
        for name, probability in answer["probabilities"].items():
            assert row[f"probability_{name}"] == pytest.approx(probability, abs=1e-6)
