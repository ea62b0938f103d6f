"""feature_extraction's nodes on real files and a real network, if a small one: what is computed, and how often."""

import logging
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
from PIL import Image

from app import DEFAULTS, create_app
from app.capacity import Capacity
from app.slices import read_slices
from app.uploads import Upload
from chest_cancer.imaging.perceptual_hash import perceptual_hash
from chest_cancer.imaging.pixels import pixel_digest
from chest_cancer.imaging.standardise import standardise
from chest_cancer.network import cuda, devices, extraction
from chest_cancer.network.classifier import Classifier
from chest_cancer.network.extraction import extract
from chest_cancer.network.graph import frozen_base
from chest_cancer.network.runtime import Network
from chest_cancer.network.vgg16 import Weights
from chest_cancer.parameters.blocks import FeatureExtractionParameters, StandardisationParameters
from chest_cancer.pipelines.feature_extraction import create_pipeline
from chest_cancer.pipelines.feature_extraction.nodes import extract_features, extract_training_views, split_images
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.storage.feature_store import FeatureStore
from conftest import Pixels
from manifests import manifest_of

MakeFolder = Callable[[dict[str, bytes]], ImageFolder]


def png(pixels: Pixels) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def parameters(**block: object) -> FeatureExtractionParameters:
    return FeatureExtractionParameters.model_validate({"precision": "fp32", "batch_size": 2} | block)


def small_base(scale: float = 1.0) -> onnx.ModelProto:
    """A graph with the frozen base's input and output that takes milliseconds: mean colours of 49 cells."""
    text = f"""<ir_version: 10, opset_import: ["": 18]>
    small (uint8[N, 224, 224, 3] image) => (float[N, 147] embedding)
    <float scale = {{{scale}}}, int64[2] rows = {{0, -1}}> {{
        colours = Cast <to = 1> (image)
        planes = Transpose <perm = [0, 3, 1, 2]> (colours)
        cells = AveragePool <kernel_shape = [32, 32], strides = [32, 32]> (planes)
        scaled = Mul (cells, scale)
        embedding = Reshape (scaled, rows)
    }}"""
    return onnx.parser.parse_model(text)


def small_classifier() -> bytes:
    """The small base, with what a classifier of three classes gives besides."""
    model = small_base()
    text = """answers (float[N, 3, 7, 7] cells) => (float[N, 3] probabilities, float[N, 3, 7, 7] evidence)
    <int64[2] sides = {2, 3}> {
        evidence = Neg (cells)
        scores = ReduceMean <keepdims = 0> (evidence, sides)
        probabilities = Softmax <axis = 1> (scores)
    }"""
    answers = onnx.parser.parse_graph(text)
    model.graph.node.extend(answers.node)
    model.graph.output.extend(answers.output)
    model.graph.initializer.extend(answers.initializer)
    return model.SerializeToString()


@pytest.fixture(scope="module")
def base() -> onnx.ModelProto:
    return small_base()


@pytest.fixture(scope="module")
def network(base: onnx.ModelProto) -> Network:
    return Network(base.SerializeToString(), "fp32")


@pytest.fixture
def images(image_folder: MakeFolder, picture: Callable[..., Pixels]) -> ImageFolder:
    return image_folder({f"a/{number}.png": png(picture(number, 40, 48)) for number in range(3)})


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(tmp_path / "store", 30)


def test_only_distinct_images_are_read_and_computed(
    images: ImageFolder, base: onnx.ModelProto, network: Network, store: FeatureStore, picture: Callable[..., Pixels]
) -> None:
    # The copy is not even on the disk: reading it would fail.
    zero, one, two = (digest_of(images, f"a/{number}.png") for number in range(3))
    index = pd.DataFrame(
        {
            "path": ["a/0.png", "a/1.png", "a/copy_of_1.png", "a/2.png"],
            "pixel_sha256": [zero, one, one, two],
        }
    )

    features, record = extract_features(images, index, base, store, parameters())

    untouched = {"window": "lung", "brightness": "none", "crop": "none"}
    assert record == {"precision": "fp32", "standardisation": untouched, "images": 3}
    assert list(features) == ["pixel_sha256", "embedding"]
    assert features["pixel_sha256"].tolist() == [zero, one, two]
    assert features["pixel_sha256"].dtype == np.dtype("U64")
    for row, number in zip(features["embedding"], range(3), strict=True):
        expected = network(standardise(picture(number, 40, 48), StandardisationParameters()).pixels[None])["embedding"][
            0
        ]
        np.testing.assert_allclose(row, expected, rtol=1e-4)


def test_what_an_earlier_run_computed_is_not_computed_again(
    images: ImageFolder, base: onnx.ModelProto, store: FeatureStore, caplog: pytest.LogCaptureFixture
) -> None:
    index = split_table(images, _0="train", _1="test", _2="train")
    caplog.set_level(logging.INFO)
    before, _ = extract_features(images, index[:1], base, store, parameters())
    after, _ = extract_features(images, index, base, store, parameters(batch_size=3))
    for number in range(3):
        (images.root / f"a/{number}.png").unlink()  # what is reused is not even read

    again, record = extract_features(images, index, base, store, parameters())

    assert [message for message in caplog.messages if message.startswith("Features of")] == [
        "Features of 1 images: 1 computed, 0 reused.",
        "Features of 3 images: 2 computed, 1 reused.",
        "Features of 3 images: 0 computed, 3 reused.",
    ]
    untouched = {"window": "lung", "brightness": "none", "crop": "none"}
    assert record == {"precision": "fp32", "standardisation": untouched, "images": 3}
    np.testing.assert_array_equal(again["embedding"], after["embedding"])
    np.testing.assert_array_equal(again["embedding"][:1], before["embedding"])


@pytest.mark.parametrize("of", ["images", "views"])
def test_an_image_that_is_not_the_indexed_one_stops_and_stores_nothing(
    images: ImageFolder, base: onnx.ModelProto, store: FeatureStore, picture: Callable[..., Pixels], of: str
) -> None:
    table = split_table(images, _0="train", _1="train", _2="train")
    (images.root / "a/1.png").write_bytes(png(picture(9, 40, 48)))  # another source, with the same names
    digest = table["pixel_sha256"][1][:12]
    expected = rf"a/1\.png is not the image that was indexed: expected pixels with SHA-256 {digest}"
    extract_all = extract_features if of == "images" else partial(extract_training_views, seed=1)
    block = parameters(batch_size=3, augmentation={"enabled": True, "views": 1})

    with pytest.raises(ValueError, match=rf"{expected}\. Received: .* run `kedro run --pipelines data_ingestion`"):
        extract_all(images, table, base, store, block)

    assert not list(store.root.rglob("*.npy"))


@pytest.mark.parametrize(
    "changed", ["weights", "precision", "preprocessing", "standardisation", "runtime", "filtering", "device"]
)
def test_what_was_computed_in_another_way_is_never_reused(
    images: ImageFolder,
    base: onnx.ModelProto,
    store: FeatureStore,
    changed: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    index = split_table(images, _0="train")
    before, _ = extract_features(images, index, base, store, parameters())
    if changed == "weights":
        base = small_base(1.0001)
    elif changed == "precision":
        # As on a processor that has it.
        monkeypatch.setattr(devices, "resolve_precision", lambda precision: "bf16")
        monkeypatch.setattr(devices, "Network", lambda graph, precision, rewrite: Network(graph, "fp32", rewrite))
    elif changed == "preprocessing":
        monkeypatch.setattr("chest_cancer.imaging.standardise.PREPROCESSING_VERSION", 0)
    elif changed == "runtime":
        monkeypatch.setattr(devices, "RUNTIME", "another")
    elif changed == "filtering":
        monkeypatch.setattr(extraction, "FILTERING", "another")
    elif changed == "device":
        monkeypatch.setattr(devices, "gpu_problem", lambda: None)
        monkeypatch.setattr(cuda, "PROVIDER", "CPUExecutionProvider")  # in the place of a GPU's
    block = parameters(standardisation={"crop": "body"}) if changed == "standardisation" else parameters()

    after, record = extract_features(images, index, base, store, block)

    assert [message for message in caplog.messages if message.startswith("Features of")] == [
        "Features of 1 images: 1 computed, 0 reused.",
        "Features of 1 images: 1 computed, 0 reused.",
    ]
    if changed == "device":
        assert record["precision"] == "fp32"
        np.testing.assert_allclose(after["embedding"], before["embedding"], rtol=1e-3)


def test_maps_at_a_cut_come_from_the_store_as_they_were_computed(
    images: ImageFolder, narrow_weights: Weights, store: FeatureStore, picture: Callable[..., Pixels]
) -> None:
    base = frozen_base(narrow_weights, "block5_conv1")

    features, _ = extract_features(images, split_table(images, _1="train", _0="test"), base, store, parameters())

    assert features["features"].shape == (2, 14, 14, 8)
    batch = np.stack([standardise(picture(number, 40, 48), StandardisationParameters()).pixels for number in (1, 0)])
    expected = Network(base.SerializeToString(), "fp32")(batch)["features"]
    np.testing.assert_allclose(features["features"], expected, rtol=1e-4, atol=1e-4 * expected.max())


def test_more_views_or_another_seed_compute_only_what_is_new(
    images: ImageFolder, base: onnx.ModelProto, store: FeatureStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    table = split_table(images, _0="train")
    for seed, views, amount in ((4, 1, 10), (4, 2, 10), (5, 1, 10), (4, 1, 20), (4, 2, 10)):
        block = parameters(augmentation={"enabled": True, "views": views, "rotation_degrees": amount})
        extract_training_views(images, table, base, store, block, seed=seed)

    assert [message for message in caplog.messages if message.startswith("Features of")] == [
        "Features of 1 augmented views: 1 computed, 0 reused.",
        "Features of 2 augmented views: 1 computed, 1 reused.",
        "Features of 1 augmented views: 1 computed, 0 reused.",
        "Features of 1 augmented views: 1 computed, 0 reused.",
        "Features of 2 augmented views: 0 computed, 2 reused.",
    ]


@pytest.mark.parametrize(("brightness", "crop"), [("none", "none"), ("percentile", "body"), ("clahe", "none")])
def test_training_prediction_and_the_page_show_the_network_the_same_pixels(
    images: ImageFolder, base: onnx.ModelProto, store: FeatureStore, brightness: str, crop: str
) -> None:
    block = parameters(standardisation={"brightness": brightness, "crop": crop})
    features, record = extract_features(images, split_table(images, _0="train", _1="train"), base, store, block)
    manifest = manifest_of(classes=["a", "b", "c"], standardisation=record["standardisation"])
    served = Classifier(small_classifier(), manifest)

    predicted = served.predict([images.pixels(path) for path in ("a/0.png", "a/1.png")])
    uploads = [Upload(images.read(path)) for path in ("a/0.png", "a/1.png")]
    page = create_app()
    with page.test_request_context():
        page.preprocess_request()
        slices = read_slices(uploads, 10**6, served, Capacity(DEFAULTS))
    on_the_page = served.predict_standardised([one.pixels for one in slices])

    for row, one, other in zip(features["embedding"], predicted, on_the_page, strict=True):
        np.testing.assert_allclose(row, one.embedding, rtol=1e-6)
        np.testing.assert_array_equal(one.embedding, other.embedding)


def split_table(images: ImageFolder, **splits: str) -> pd.DataFrame:
    """A row for each image; of one that is not on the disk the digest is of nothing."""
    rows = []
    for name, split in splits.items():
        path = f"a/{name[1:]}.png"
        rows.append((path, digest_of(images, path) if path in images.paths else name[1:] * 64, split))
    return pd.DataFrame(rows, columns=["path", "pixel_sha256", "split"])


def digest_of(images: ImageFolder, path: str) -> str:
    return pixel_digest(images.pixels(path))


def test_views_are_made_of_training_images_alone_and_depend_on_the_seed(
    images: ImageFolder, base: onnx.ModelProto, store: FeatureStore, tmp_path: Path
) -> None:
    # Images 7 to 9 are not on the disk: reading them would fail.
    table = split_table(images, _0="train", _7="validation", _1="train", _8="test", _9="leak")
    augmented = parameters(augmentation={"enabled": True, "views": 2})

    views = extract_training_views(images, table, base, store, augmented, seed=4)
    elsewhere = FeatureStore(tmp_path / "elsewhere", 30)
    again = extract_training_views(images, table[table["path"] == "a/1.png"], base, elsewhere, augmented, seed=4)
    other = extract_training_views(images, table.iloc[:1], base, store, augmented, seed=5)

    assert views["pixel_sha256"].tolist() == [key for key in table["pixel_sha256"][[0, 2]] for _ in range(2)]
    assert views["embedding"].shape == (4, 147)
    assert len(np.unique(np.round(views["embedding"], 2), axis=0)) == 4
    # A view depends on the seed, the image and its number, not on its neighbours.
    np.testing.assert_allclose(again["embedding"], views["embedding"][2:], rtol=1e-4)
    assert not np.allclose(other["embedding"], views["embedding"][:2], rtol=1e-2)


def test_all_views_of_an_image_are_made_of_one_reading(
    images: ImageFolder, base: onnx.ModelProto, store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = split_table(images, _0="train", _1="train")
    read: list[str] = []
    decoded = ImageFolder.decoded
    monkeypatch.setattr(ImageFolder, "decoded", lambda folder, path, *_: read.append(path) or decoded(folder, path))
    block = parameters(batch_size=2, augmentation={"enabled": True, "views": 3})

    views = extract_training_views(images, table, base, store, block, seed=4)

    assert views["embedding"].shape[0] == 6
    assert sorted(read) == ["a/0.png", "a/1.png"]


@pytest.mark.parametrize("enabled", [True, False])
def test_without_augmentation_or_training_images_there_are_no_views(
    images: ImageFolder, base: onnx.ModelProto, store: FeatureStore, enabled: bool
) -> None:
    table = split_table(images, _7="test" if enabled else "train")

    views = extract_training_views(images, table, base, store, parameters(augmentation={"enabled": enabled}), seed=0)

    assert list(views) == ["pixel_sha256"]
    assert views["pixel_sha256"].shape == (0,)
    assert views["pixel_sha256"].dtype == np.dtype("U64")


def test_an_image_that_ingestion_accepted_under_its_own_limits_is_extracted(
    image_folder: MakeFolder, picture: Callable[..., Pixels], base: onnx.ModelProto, store: FeatureStore
) -> None:
    small = image_folder({"a/0.png": png(picture(0, 20, 20))})  # data_ingestion.limits.min_side=16 lets it pass

    extract_features(small, split_table(small, _0="train"), base, store, parameters())


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_results_are_in_the_order_of_the_jobs_for_any_batch_size(
    network: Network, picture: Callable[..., Pixels], batch_size: int
) -> None:
    def load(jobs: list[int]) -> list[Pixels]:
        return [picture(number) for number in jobs]

    block = parameters(batch_size=batch_size, read_ahead=2)
    images = list(extract(network.stream, [[1, 0], [1]], load, block, "Testing"))

    assert [len(outputs["embedding"]) for outputs in images] == [1, 1, 1]
    expected = np.concatenate([network(picture(number)[None])["embedding"] for number in (0, 1)])
    received = np.concatenate([outputs["embedding"] for outputs in images])
    np.testing.assert_allclose(received, expected[[1, 0, 1]], rtol=1e-4)


@pytest.mark.parametrize(("batch_size", "read_ahead", "most"), [(2, 5, 5), (4, 1, 4)])
def test_no_more_images_are_loaded_ahead_than_asked_for(
    network: Network, picture: Callable[..., Pixels], batch_size: int, read_ahead: int, most: int
) -> None:
    loaded: list[int] = []

    def load(jobs: list[int]) -> list[Pixels]:
        loaded.extend(jobs)
        return [picture(job) for job in jobs]

    alone = [[number] for number in range(24)]
    in_flight = 3 * batch_size  # two batches that the network computes, and the one that is handed over
    block = parameters(batch_size=batch_size, read_ahead=read_ahead)
    for number, _ in enumerate(extract(network.stream, alone, load, block, "Testing"), start=1):
        assert len(loaded) <= number + most + in_flight
    assert sorted(loaded) == list(range(24))


def test_an_error_in_a_thread_ends_the_extraction(network: Network) -> None:
    def load(jobs: list[int]) -> list[Pixels]:
        raise FileNotFoundError(f"image {jobs[0]}")

    with pytest.raises(FileNotFoundError, match="image 1"):
        list(extract(network.stream, [[1]], load, parameters(), "Testing"))


def features_of(*degrees: float) -> dict[str, np.ndarray]:
    angles = np.deg2rad(degrees)
    # Means that point in different directions, and larger maxima that all point in one.
    embedding = np.stack([np.cos(angles), np.sin(angles), *np.full((2, len(angles)), 50.0)], axis=1).astype(np.float32)
    keys = np.array([f"{number:064d}" for number in range(len(degrees))], dtype="U64")
    return {"pixel_sha256": keys, "embedding": embedding}


def hashes(count: int) -> list[str]:
    """Hashes of pictures that have nothing in common."""
    generator = np.random.default_rng(0)
    return [perceptual_hash(generator.integers(0, 256, (34, 34, 3), dtype=np.uint8)) for _ in range(count)]


def test_near_duplicates_share_a_group_and_a_split() -> None:
    features = features_of(*range(0, 180, 20), *range(1, 181, 20))
    index = pd.DataFrame({"pixel_sha256": features["pixel_sha256"], "label": ["a"] * 18, "source_split": [None] * 18})
    index["patient"] = index["study"] = None
    index["path"] = [f"a/{number}.png" for number in range(18)]
    index["perceptual_hash"] = hashes(18)

    table = split_images(index, features, parameters(groups={"similarity": 0.99}), seed=2)

    assert table["group"].tolist() == [*range(9), *range(9)]
    assert table["split"][:9].tolist() == table["split"][9:].tolist()
    assert table["split"].value_counts().to_dict() == {"train": 10, "validation": 4, "test": 4}
    assert not {"group", "split"} & set(index.columns)


def test_features_are_found_by_their_digest_and_copies_have_the_group_of_their_image() -> None:
    features = features_of(*range(0, 180, 20), *range(1, 181, 20))
    order = np.random.default_rng(0).permutation(18)
    digests = [*features["pixel_sha256"][order], *features["pixel_sha256"][:2]]
    index = pd.DataFrame({"pixel_sha256": digests, "label": ["a"] * 20, "source_split": [None] * 20})
    index["patient"] = index["study"] = None
    index["path"] = [f"a/{number}.png" for number in range(20)]
    index["perceptual_hash"] = [*np.array(hashes(18))[order], *hashes(18)[:2]]

    table = split_images(index, features, parameters(groups={"similarity": 0.99}), seed=2)

    pairs = table.assign(pair=[*order % 9, 0, 1])[["pair", "group", "near_duplicates"]].drop_duplicates()
    assert len(pairs) == 9
    assert table["split"].tolist()[18:] == ["copy", "copy"]


def test_a_patient_and_a_study_share_a_group_and_a_split_whatever_their_pictures_look_like() -> None:
    features = features_of(*range(0, 180, 10))
    index = pd.DataFrame({"pixel_sha256": features["pixel_sha256"], "label": ["a"] * 18, "source_split": [None] * 18})
    index["path"] = features["pixel_sha256"]
    index["perceptual_hash"] = hashes(18)
    index["patient"] = [*"aabbccddeeff", *[None] * 6]
    index["study"] = [*[None] * 10, *"stttuu", *[None] * 2]

    table = split_images(index, features, parameters(groups={"similarity": 0.999}), seed=2)

    assert table["group"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 5, 5, 6, 6, 7, 8]


def test_a_lower_similarity_joins_what_a_higher_one_keeps_apart() -> None:
    features = features_of(*range(0, 90, 10))
    index = pd.DataFrame({"pixel_sha256": features["pixel_sha256"], "label": ["a"] * 9, "source_split": [None] * 9})
    index["patient"] = index["study"] = None
    index["path"] = features["pixel_sha256"]
    index["perceptual_hash"] = hashes(9)

    with pytest.raises(ValueError, match=r"Class `a` has 1 group\(s\)"):
        split_images(index, features, parameters(groups={"similarity": 0.98}), seed=2)
    assert split_images(index, features, parameters(groups={"similarity": 0.99}), seed=2)["group"].nunique() == 9


def test_the_pipeline_goes_from_images_and_base_to_features_views_and_splits() -> None:
    pipeline = create_pipeline()

    assert pipeline.inputs() == {
        "raw_images", "image_index", "frozen_base", "feature_store", "params:feature_extraction", "params:seed"
    }  # fmt: skip
    assert pipeline.all_outputs() == {"features", "extraction_record", "split_table", "training_views"}
