import io
import json
import math
import shutil
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2.bccache import Bucket, BytecodeCache
from kedro.config import OmegaConfigLoader
from numpy.typing import NDArray
from PIL import Image

from app import create_app
from serving import make_project


@pytest.fixture(scope="session")
def trained_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project's folder after a run. Not to be changed by tests."""
    return make_project(tmp_path_factory.mktemp("project"))


@pytest.fixture
def project(trained_project: Path, tmp_path: Path) -> Path:
    """A copy of the trained project that a test may change."""
    return Path(shutil.copytree(trained_project, tmp_path / "project"))


@pytest.fixture(autouse=True)
def _jobs_looked_at_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever follows a job of milliseconds need not wait for half a second."""
    monkeypatch.setattr("app.training._LOOK_SECONDS", 0.02)


@pytest.fixture(scope="session")
def settings_read() -> dict[tuple[Any, ...], dict[str, Any]]:
    """What was read of settings, by what was asked for and by what the files say."""
    return {}


@pytest.fixture(autouse=True)
def _settings_read_once(monkeypatch: pytest.MonkeyPatch, settings_read: dict[tuple[Any, ...], dict[str, Any]]) -> None:
    """Each test has a project of its own, mostly with the same settings; to read one file of them takes 0.1 s."""
    read = OmegaConfigLoader.__getitem__

    def read_once(loader: OmegaConfigLoader, kind: str) -> dict[str, Any]:
        folders = (Path(loader.conf_source) / name for name in (loader.base_env, loader.env))
        files = (file for folder in folders for file in sorted(folder.rglob("*.y*ml")))
        key = kind, loader.env, json.dumps(loader.runtime_params), *(file.read_bytes() for file in files)
        if key not in settings_read:
            settings_read[key] = read(loader, kind)
        return deepcopy(settings_read[key])

    monkeypatch.setattr(OmegaConfigLoader, "__getitem__", read_once)


class _CompiledTemplates(BytecodeCache):
    """In memory: there are tests that nothing is written to disk."""

    def __init__(self) -> None:
        self._known: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._known:
            bucket.bytecode_from_string(self._known[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._known[bucket.key] = bucket.bytecode_to_string()


@pytest.fixture(scope="session")
def compiled_templates() -> BytecodeCache:
    return _CompiledTemplates()


@pytest.fixture(autouse=True)
def _templates_compiled_once(monkeypatch: pytest.MonkeyPatch, compiled_templates: BytecodeCache) -> None:
    """Each test has an app of its own, of the same templates."""
    monkeypatch.setattr(Flask, "jinja_options", {"bytecode_cache": compiled_templates})


@pytest.fixture
def make_app() -> Callable[..., Flask]:
    """Makes the app of a project, with settings."""

    def make(project: Path, **settings: Any) -> Flask:
        return create_app({"PROJECT": str(project), "ENV": "local", "TESTING": True, **settings})

    return make


@pytest.fixture(scope="session")
def client(trained_project: Path) -> FlaskClient:
    return create_app({"PROJECT": str(trained_project), "ENV": "local", "TESTING": True}).test_client()


@pytest.fixture(scope="session")
def tumour_probability() -> Callable[[float], float]:
    """What the tiny classifier says of a flat image of a brightness 0..255."""
    return lambda brightness: 1 / (1 + math.exp(2 - 4 * brightness / 255))


@pytest.fixture(scope="session")
def encode() -> Callable[..., bytes]:
    """Encodes pixels, or a flat image of one brightness, as a file."""

    def encode(pixels: NDArray[np.uint8] | int, file_format: str = "PNG") -> bytes:
        file = io.BytesIO()
        flat = np.full((64, 64, 3), pixels, np.uint8) if isinstance(pixels, int) else pixels
        Image.fromarray(flat).save(file, file_format)
        return file.getvalue()

    return encode


@pytest.fixture(scope="session")
def noise_png(encode: Callable[..., bytes]) -> bytes:
    """A PNG of more than 500 kB, from where on Werkzeug writes uploads to disk if it is let."""
    data = encode(np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8))
    assert len(data) > 500_000
    return data
