"""The self-test of a deployment: which answers make sense."""

import subprocess
import sys
import threading
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server

from app import create_app
from conftest import PROJECT
from serving import make_project

_SPEC = spec_from_file_location("self_test", PROJECT / "deploy" / "self_test.py")
self_test = module_from_spec(_SPEC)
_SPEC.loader.exec_module(self_test)

ANSWER: dict[str, Any] = {"label": "normal", "reason": None, "probabilities": {"normal": 0.75, "tumour": 0.25}}


def test_an_answer_is_its_label_and_none_is_its_reason() -> None:
    assert self_test.check_answer([ANSWER]) == "normal"
    # A model that declines the sample is no reason to call a deployment back.
    assert self_test.check_answer([ANSWER | {"label": None, "reason": "not sure"}]) == "not sure"


@pytest.mark.parametrize("changes", [{"label": None}, {"label": "other"}, {"probabilities": {"normal": 0.5}}])
def test_an_answer_that_makes_no_sense_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Expected probabilities of each label that add up to 1"):
        self_test.check_answer([ANSWER | changes])


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ('CHEST_CANCER_PROXIES=1\nCHEST_CANCER_ALLOWED_HOSTS=[".example.org", "other.example"]\n', None),
        ("CHEST_CANCER_ALLOWED_HOSTS=[]\n", "Expected a name of this site in the header Host."),
        ("CHEST_CANCER_ALLOWED_HOSTS=ct.example.org\n", 'to be a JSON list, such as ["ct.example.org"]. Received: ct.'),
    ],
    ids=["its own", "another's", "no list"],
)
def test_an_app_that_answers_under_its_own_names_only_is_asked_by_one(
    tmp_path: Path, settings: str, reason: str | None
) -> None:
    app = create_app({"PROJECT": str(make_project(tmp_path)), "ALLOWED_HOSTS": [".example.org"]})
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    (tmp_path / "app.env").write_text(settings)
    command = [sys.executable, PROJECT / "deploy/self_test.py", f"http://127.0.0.1:{server.port}"]
    try:
        done = subprocess.run(
            [*command, "--settings", tmp_path / "app.env"], capture_output=True, text=True, timeout=60
        )
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

    assert (done.returncode == 0) == (reason is None), done.stderr
    assert (reason or "") in done.stderr
