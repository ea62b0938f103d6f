"""Copies: planted leaks are found and named."""

import base64
import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw

from chest_cancer.audits.duplicates.audit import count_twins
from chest_cancer.audits.duplicates.columns import GROUP_COLUMNS
from chest_cancer.audits.duplicates.copies import (
    count_duplicates,
    group_duplicates,
    list_files,
    show_duplicates,
    show_shared_pictures,
)
from chest_cancer.audits.duplicates.twins import find_cross_split_twins
from chest_cancer.imaging.decoding import decode_image
from chest_cancer.imaging.perceptual_hash import perceptual_hash
from chest_cancer.imaging.phantoms.generate import generate_phantoms
from chest_cancer.imaging.standardise import standardise
from chest_cancer.network.graph import frozen_base
from chest_cancer.network.runtime import Network
from chest_cancer.network.vgg16 import Weights
from chest_cancer.parameters.blocks import StandardisationParameters
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.statistics.near_duplicates import group_near_duplicates

SIMILARITY = 0.97
NO_QUARANTINE = pd.DataFrame({"path": [], "reason": []})


def save(image: Image.Image, kind: str = "PNG", **options: int) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def with_line(image: Image.Image) -> Image.Image:
    drawn = image.convert("RGB")
    width, height = drawn.size
    ends = [(0.2 * width, 0.25 * height), (0.7 * width, 0.6 * height)]
    ImageDraw.Draw(drawn).line(ends, fill="yellow", width=max(2, width // 100))
    return drawn


def half(image: Image.Image) -> Image.Image:
    return image.resize((image.width // 2, image.height // 2))


LEAKS: dict[str, Callable[[Image.Image], bytes]] = {
    "exact": lambda image: save(image),
    "pixels": lambda image: save(image, compress_level=1),
    "mirrored": lambda image: save(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
    "jpeg": lambda image: save(image, "JPEG", quality=50),
    "resized": lambda image: save(half(image)),
    "line": lambda image: save(with_line(image)),
    "all": lambda image: save(with_line(half(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT))), "JPEG", quality=70),
}


@dataclass
class Planted:
    images: ImageFolder
    table: pd.DataFrame
    features: dict[str, np.ndarray]
    twins: pd.DataFrame


@pytest.fixture(scope="module")
def planted(imagenet_weights: Weights, tmp_path_factory: pytest.TempPathFactory) -> Planted:
    """A source with a slice in test for each kind of leak from train, and two test slices that are no leak."""
    phantoms = generate_phantoms(["normal", "adenocarcinoma"], len(LEAKS) + 4, seed=2)
    slices = [(phantom.label, Image.fromarray(phantom.image)) for phantom in phantoms]
    files = {f"train/{label}/{i}.png": save(image) for i, (label, image) in enumerate(slices[:-2])}
    files |= {f"test/{label}/alone{i}.png": save(image) for i, (label, image) in enumerate(slices[-2:])}
    for (name, leak), (label, image) in zip(LEAKS.items(), slices, strict=False):
        files[f"test/{label}/{name}.png"] = leak(image)
    root = tmp_path_factory.mktemp("planted")
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    images = ImageFolder(root, None)  # type: ignore[arg-type]  # its source is not looked at

    table = index(images)
    network = Network(frozen_base(imagenet_weights, None).SerializeToString(), "auto")
    distinct = table.drop_duplicates("pixel_sha256")
    pixels = [decode_image(images.read(path)).pixels for path in distinct["path"]]
    inputs = np.stack([standardise(picture, StandardisationParameters()).pixels for picture in pixels])
    embedding = network(inputs)["embedding"]
    groups = group_near_duplicates(embedding[:, :512], distinct["perceptual_hash"].to_list(), SIMILARITY)
    table["near_duplicates"] = table["pixel_sha256"].map(dict(zip(distinct["pixel_sha256"], groups, strict=True)))
    table["group"] = table["near_duplicates"]
    features = {"pixel_sha256": distinct["pixel_sha256"].to_numpy(dtype="U64"), "embedding": embedding}
    return Planted(images, table, features, find_cross_split_twins(table, features))


def index(images: ImageFolder) -> pd.DataFrame:
    rows = []
    for path in images.paths:
        data = images.read(path)
        decoded = decode_image(data)
        split, label, _ = path.split("/")
        rows.append(
            {
                "path": path,
                "label": label,
                "source_split": split,
                "content_sha256": hashlib.sha256(data).hexdigest(),
                "pixel_sha256": hashlib.sha256(decoded.pixels.tobytes()).hexdigest(),
                "perceptual_hash": perceptual_hash(decoded.pixels),
                "format": decoded.format,
                "mode": decoded.mode,
                "width": decoded.width,
                "height": decoded.height,
            }
        )
    return pd.DataFrame(rows)


def test_every_planted_leak_is_found_and_named(planted: Planted) -> None:
    found = planted.twins.assign(leak=planted.twins["path"].str.extract(r"(\w+)\.png")[0]).set_index("leak")

    assert sorted(found.index) == sorted(LEAKS)
    for position, leak in enumerate(LEAKS):
        assert found.loc[leak, "twin"] == f"train/{found.loc[leak, 'label']}/{position}.png"
    assert found["kind"].to_dict() == dict.fromkeys(LEAKS, "near") | {"exact": "exact", "pixels": "same pixels"}
    assert found.loc["exact", "difference"] == "none: the same bytes"
    assert found.loc["pixels", "difference"] == "none: the same pixels"
    assert found.loc["mirrored", "difference"] == "mirrored"
    assert found.loc["jpeg", "difference"] == "JPEG for PNG"
    assert found.loc["line", "difference"] == "re-encoded or drawn upon"
    assert " pixels" in found.loc["resized", "difference"]
    assert found.loc["all", "difference"].startswith("mirrored, ")
    assert found.loc["all", "difference"].endswith(" pixels, JPEG for PNG")


def test_slices_of_their_own_are_joined_with_nothing(planted: Planted) -> None:
    sizes = planted.table.groupby("group").size()

    assert sorted(sizes) == [1] * 4 + [2] * len(LEAKS)


def test_the_twins_of_test_images_are_counted(planted: Planted) -> None:
    counts = count_duplicates(planted.table, planted.twins, NO_QUARANTINE)

    assert counts["files"] == 18
    assert counts["distinct_by_content"] == 17
    assert counts["distinct_by_pixels"] == 16
    assert counts["groups"] == 11
    assert counts["source_test"] == {"images": 9, "with_twin": 7, "exact": 1, "same pixels": 1, "near": 5, "patient": 0}
    assert json.dumps(counts)


def test_groups_are_shown_with_thumbnails_and_what_differs(planted: Planted) -> None:
    groups = group_duplicates(planted.table)
    shown = show_duplicates(groups, planted.table, planted.images, most_groups=4)

    assert groups["kind"].to_list() == ["exact", "same pixels"] + ["near"] * 5
    assert groups["crosses_splits"].all()
    assert len(shown) == 4
    first, second = shown[0]["shown"]
    assert first["difference"] == ""
    assert second["difference"]
    thumbnail = Image.open(io.BytesIO(base64.b64decode(first["thumbnail"].removeprefix("data:image/jpeg;base64,"))))
    assert max(thumbnail.size) == 96
    assert json.dumps(shown)


def test_a_picture_that_is_filed_under_two_patients_is_shown_with_both_and_its_files(planted: Planted) -> None:
    # The slice in `exact` is that of another file to the byte, the one in `pixels` to the pixel.
    who = {"exact": "b" * 16, "pixels": "c" * 16}
    names = planted.table["path"].str.extract(r"(\w+)\.png")[0]
    table = planted.table.assign(patient=names.map(who).fillna("a" * 16))

    found = show_shared_pictures(table, planted.images)
    one = show_shared_pictures(table, planted.images, most_pictures=1, most_files=1)

    assert (found["pictures"], found["patients"], len(found["shown"])) == (2, 3, 2)
    files = {frozenset(file["patient"] for file in shown["named"]): shown for shown in found["shown"]}
    of_bytes, of_pixels = files[frozenset({"a" * 16, "b" * 16})], files[frozenset({"a" * 16, "c" * 16})]
    assert {file["path"].rpartition("/")[2] for file in of_bytes["named"]} == {"0.png", "exact.png"}
    assert {file["path"].rpartition("/")[2] for file in of_pixels["named"]} == {"1.png", "pixels.png"}
    thumbnail = of_bytes["thumbnail"].removeprefix("data:image/jpeg;base64,")
    assert max(Image.open(io.BytesIO(base64.b64decode(thumbnail))).size) == 96
    assert (one["pictures"], len(one["shown"]), len(one["shown"][0]["named"])) == (2, 1, 1)
    assert one["shown"][0]["files"] == one["shown"][0]["patients"] == 2
    assert json.dumps(found)


@pytest.mark.parametrize("patients", [[None] * 20, ["a" * 16] * 20])
def test_copies_of_one_patient_or_of_nobody_are_not_of_several(planted: Planted, patients: list) -> None:
    table = planted.table.assign(patient=(patients * 2)[: len(planted.table)])

    assert show_shared_pictures(table, planted.images) == {"pictures": 0, "patients": 0, "shown": []}
    assert show_shared_pictures(planted.table, planted.images)["shown"] == []


def made_up(**columns: list) -> pd.DataFrame:
    count = len(columns["group"])
    defaults = {
        "path": [f"{i}.png" for i in range(count)],
        "label": ["normal"] * count,
        "near_duplicates": columns["group"],
        "source_split": [None] * count,
        "content_sha256": [f"c{i}" for i in range(count)],
        "pixel_sha256": [f"p{i}" for i in range(count)],
        "perceptual_hash": [perceptual_hash(np.zeros((8, 8, 3), np.uint8))] * count,
        "format": ["PNG"] * count,
        "width": [64] * count,
        "height": [64] * count,
    }
    return pd.DataFrame({**defaults, **columns})


def test_contradicting_labels_are_flagged() -> None:
    table = made_up(group=[0, 0, 1, 1], label=["normal", "cancer", "cancer", "cancer"])
    quarantine = pd.DataFrame(
        {
            "path": ["a.png", "b.png", "c.txt"],
            "reason": ["contradicting labels: labelled 'x'"] * 2 + ["not a supported image"],
        }
    )

    groups = group_duplicates(table)
    counts = count_duplicates(table, pd.DataFrame({"kind": []}), quarantine)

    assert groups["contradicting"].tolist() == [True, False]
    assert groups["labels"].tolist() == ["normal: 1, cancer: 1", "cancer: 2"]
    assert counts["contradicting_groups"] == 1
    assert counts["contradicting_files"] == 2
    assert counts["source_test"] is None


def test_copies_of_copies_are_listed_once_a_kind_the_largest_first() -> None:
    table = made_up(
        group=[0, 0, 0, 0, 1, 1, 2],
        content_sha256=["a", "a", "b", "c", "d", "d", "e"],
        pixel_sha256=["p", "p", "p", "q", "r", "r", "s"],
    )

    groups = group_duplicates(table)

    assert groups[["kind", "files", "pictures"]].to_numpy().tolist() == [
        ["exact", 2, 1],
        ["exact", 2, 1],
        ["same pixels", 3, 1],
        ["near", 4, 2],
    ]


def test_data_without_copies_have_an_empty_table() -> None:
    table = made_up(group=[0, 1])

    groups = group_duplicates(table)

    assert groups.empty
    assert groups.columns.to_list()[:2] == ["kind", "files"]
    assert find_cross_split_twins(table, {}).empty


def test_the_same_bytes_are_the_twin_before_what_the_network_finds_alike() -> None:
    table = made_up(
        group=[0] * 4,
        source_split=["test", "train", "train", "train"],
        content_sha256=["a", "b", "a", "c"],
        pixel_sha256=["p", "q", "p", "p"],
    )
    features = {"pixel_sha256": np.array(["p", "q"]), "embedding": np.ones((2, 4), dtype=np.float32)}

    twins = find_cross_split_twins(table, features)

    assert twins[["path", "twin", "kind"]].to_numpy().tolist() == [["0.png", "2.png", "exact"]]
    assert twins["similarity"].tolist() == pytest.approx([1.0])


def test_another_picture_that_is_much_alike_is_called_that() -> None:
    table = made_up(group=[0, 0], source_split=["test", "train"])
    features = {"pixel_sha256": np.array(["p0", "p1"]), "embedding": np.array([[1, 0.1, 0, 0], [1, 0, 0, 0]])}

    twins = find_cross_split_twins(table, features)

    assert twins["difference"].tolist() == ["a very similar picture"]
    assert twins["similarity"].tolist() == pytest.approx([1 / np.hypot(1, 0.1)])


def test_pictures_of_one_patient_that_do_not_look_alike_are_no_near_duplicates() -> None:
    table = made_up(
        group=[0, 0, 0],
        near_duplicates=[0, 0, 1],
        label=["normal", "normal", "cancer"],
        source_split=["train", "test", "test"],
    )
    features = {"pixel_sha256": np.array(["p0", "p1", "p2"]), "embedding": np.ones((3, 4), dtype=np.float32)}

    twins = find_cross_split_twins(table, features)
    counts = count_duplicates(table, twins, NO_QUARANTINE)

    assert group_duplicates(table)["paths"].tolist() == [["0.png", "1.png"]]
    assert (counts["groups"], counts["contradicting_groups"]) == (2, 0)
    assert twins[["path", "kind", "difference"]].to_numpy().tolist() == [
        ["1.png", "near", "a very similar picture"],
        ["2.png", "patient", "another picture of the same patient or study"],
    ]
    assert count_twins(counts["source_test"]) == (
        "2 of the source's 2 test images have a twin in its training folder (1 nearly the same picture, "
        "1 another picture of the same patient or study)."
    )


def test_all_groups_are_listed_file_by_file() -> None:
    table = made_up(group=[0, 0, 1, 1, 1], label=["normal", "cancer", "cancer", "cancer", "cancer"])

    files = list_files(group_duplicates(table), table)
    none = list_files(group_duplicates(table.head(1)), table.head(1))

    assert tuple(files.columns) == tuple(none.columns) == GROUP_COLUMNS
    assert none.empty
    assert files[["group", "files", "path", "label", "contradicting"]].to_numpy().tolist() == [
        [1, 3, "2.png", "cancer", False],
        [1, 3, "3.png", "cancer", False],
        [1, 3, "4.png", "cancer", False],
        [2, 2, "0.png", "normal", True],
        [2, 2, "1.png", "cancer", True],
    ]
