"""data_ingestion from a source to its index, quarantine table and summary, as Kedro runs it."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from PIL import Image

from chest_cancer.datasets.image_folder_dataset import ImageFolderDataset
from chest_cancer.parameters import DataIngestionParameters, ModelTrainingParameters
from chest_cancer.pipelines.data_ingestion import create_pipeline

EMPTY = "class folder holds no readable image"


class Outcome(NamedTuple):
    index: pd.DataFrame
    quarantine: dict[str, str]
    summary: dict[str, Any]


def picture(seed: int, kind: str = "PNG", size: tuple[int, int] = (40, 32), mode: str = "L", **options: Any) -> bytes:
    shape = (size[1], size[0]) if mode == "L" else (size[1], size[0], len(mode))
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=kind, **options)
    return buffer.getvalue()


def pictures(*names: str) -> dict[str, bytes]:
    return {name: picture(seed) for seed, name in enumerate(names)}


def ingest(tmp_path: Path, files: dict[str, bytes], **parameters: Any) -> Outcome:
    source = tmp_path / "source"
    for name, content in files.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            (source / name).write_bytes(content)
        else:
            (source / name).mkdir(exist_ok=True)
    return run(tmp_path, source=str(source), **parameters)


def run(tmp_path: Path, *, normal_class: Any = "normal", **parameters: Any) -> Outcome:
    catalog = DataCatalog(
        {
            "raw_images": ImageFolderDataset(filepath=str(tmp_path / "data" / "images")),
            "params:data_ingestion": MemoryDataset(DataIngestionParameters(**parameters)),
            "params:model_training": MemoryDataset(ModelTrainingParameters(normal_class=normal_class)),
            "params:seed": MemoryDataset(3),
            **{name: MemoryDataset() for name in ("image_index", "quarantine", "data_summary")},
        }
    )
    SequentialRunner().run(create_pipeline(), catalog)
    quarantine = catalog.load("quarantine")
    assert list(quarantine.columns) == ["path", "reason"]
    assert quarantine["path"].is_monotonic_increasing
    return Outcome(
        catalog.load("image_index"),
        dict(zip(quarantine["path"], quarantine["reason"], strict=True)),
        json.loads(json.dumps(catalog.load("data_summary"))),
    )


def rows(outcome: Outcome) -> dict[str, tuple[str, str | None]]:
    index = outcome.index
    splits = [None if pd.isna(split) else split for split in index["source_split"]]
    return dict(zip(index["path"], zip(index["label"], splits, strict=True), strict=True))


def test_phantoms_are_indexed_and_said_to_be_synthetic(tmp_path: Path) -> None:
    outcome = run(tmp_path, phantom={"images": 6, "classes": ["normal", "adenocarcinoma", "large_cell"]})

    assert outcome.quarantine == {}
    assert outcome.summary["synthetic"]
    assert outcome.summary["kind"] == "phantom"
    assert outcome.summary["classes"] == {
        label: {"images": 2, "distinct": 2} for label in ("adenocarcinoma", "large_cell", "normal")
    }


def test_the_index_describes_every_image(tmp_path: Path) -> None:
    outcome = ingest(tmp_path, pictures("normal/a.png", "adenocarcinoma/b.png"))

    index = outcome.index
    assert list(index.columns) == [
        "path", "label", "source_split", "content_sha256", "pixel_sha256", "perceptual_hash",
        "format", "mode", "width", "height", "bytes",
    ]  # fmt: skip
    first = index.iloc[0]
    assert (first["path"], first["format"], first["mode"], first["width"], first["height"]) == (
        "adenocarcinoma/b.png", "PNG", "L", 40, 32,
    )  # fmt: skip
    assert first["bytes"] == (tmp_path / "source" / "adenocarcinoma" / "b.png").stat().st_size
    assert index["content_sha256"].nunique() == index["pixel_sha256"].nunique() == 2


def test_the_tables_survive_parquet(tmp_path: Path) -> None:
    outcome = ingest(tmp_path, pictures("normal/a.png", "adenocarcinoma/b.png"))
    outcome.index.to_parquet(tmp_path / "index.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "index.parquet"), outcome.index)


def test_the_summary_counts_copies_and_what_was_left_out(tmp_path: Path) -> None:
    same_pixels = picture(0, kind="BMP")
    files = pictures("normal/a.png", "adenocarcinoma/b.png", "adenocarcinoma/c.png")
    outcome = ingest(
        tmp_path, {**files, "normal/copy.png": files["normal/a.png"], "normal/a.bmp": same_pixels, "x": b""}
    )

    assert outcome.summary | {"digest": ""} == {
        "location": str(tmp_path / "source"),
        "kind": "folder",
        "synthetic": False,
        "archive_sha256": None,
        "digest": "",
        "files": 6,
        "readable": 5,
        "quarantined": 1,
        "images": 5,
        "distinct_by_content": 4,
        "distinct_by_pixels": 3,
        "classes": {"adenocarcinoma": {"images": 2, "distinct": 2}, "normal": {"images": 3, "distinct": 2}},
    }
    assert len(outcome.index) == 5


def test_the_digest_depends_on_images_labels_and_splits_but_not_on_names(tmp_path: Path) -> None:
    one, two = picture(1), picture(2)
    layouts = [
        {"normal/a.png": one, "adenocarcinoma/b.png": two},
        {"normal/other.png": one, "adenocarcinoma/name.png": two},
        {"normal/a.png": two, "adenocarcinoma/b.png": one},
        {"train/normal/a.png": one, "test/adenocarcinoma/b.png": two},
    ]
    digests = [ingest(tmp_path / str(n), files).summary["digest"] for n, files in enumerate(layouts)]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


@pytest.mark.parametrize("wrapper", ["", "data/", "download/Chest CT/images/"])
def test_class_folders_are_found_below_any_wrapper(tmp_path: Path, wrapper: str) -> None:
    files = pictures(f"{wrapper}normal/a.png", f"{wrapper}normal/patient 1/b.png", f"{wrapper}adenocarcinoma/c.png")
    assert rows(ingest(tmp_path, files)) == {
        f"{wrapper}adenocarcinoma/c.png": ("adenocarcinoma", None),
        f"{wrapper}normal/a.png": ("normal", None),
        f"{wrapper}normal/patient 1/b.png": ("normal", None),
    }


@pytest.mark.parametrize(
    ("folders", "splits"),
    [
        (("train", "valid", "test"), ("train", "validation", "test")),
        (("Train", "VAL", "Test"), ("train", "validation", "test")),
        (("wrapped/training data/train", "wrapped/training data/validation"), ("train", "validation")),
    ],
)
def test_a_split_that_the_source_brings_is_kept(
    tmp_path: Path, folders: tuple[str, ...], splits: tuple[str, ...]
) -> None:
    names = [f"{folder}/{label}/{number}.png" for folder in folders for label in ("normal", "b") for number in (1, 2)]
    found = rows(ingest(tmp_path, pictures(*names)))
    assert found == {
        f"{folder}/{label}/{number}.png": (label, split)
        for folder, split in zip(folders, splits, strict=True)
        for label in ("normal", "b")
        for number in (1, 2)
    }


def test_a_lone_split_folder_says_nothing_of_a_split(tmp_path: Path) -> None:
    found = rows(ingest(tmp_path, pictures("test/normal/a.png", "test/b/a.png")))
    assert set(found.values()) == {("normal", None), ("b", None)}


def test_four_classes_with_long_names_get_short_ones(tmp_path: Path) -> None:
    class_names = {
        "adenocarcinoma_left.lower.lobe_T2_N0_M0_Ib": "adenocarcinoma",
        "large.cell.carcinoma_left.hilum_T2_N2_M0_IIIa": "large_cell",
        "squamous.cell.carcinoma_left.hilum_T1_N2_M0_IIIa": "squamous_cell",
    }
    training = [f"{split}/{name}/1.png" for split in ("train", "valid") for name in (*class_names, "normal")]
    short = [f"test/{name}/1.png" for name in (*class_names.values(), "normal")]

    outcome = ingest(tmp_path, pictures(*(f"Data/{name}" for name in training + short)), class_names=class_names)

    assert set(outcome.summary["classes"]) == {"adenocarcinoma", "large_cell", "squamous_cell", "normal"}
    assert all(counts["images"] == 3 for counts in outcome.summary["classes"].values())
    assert outcome.index["source_split"].value_counts().to_dict() == {"train": 4, "validation": 4, "test": 4}


def test_class_names_of_folders_that_are_not_there_stop_the_run(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError,
        match=r"received for `data_ingestion\.class_names`\. Expected .*\['b', 'normal'\]. Received also: \['nromal'\]",
    ):
        ingest(tmp_path, pictures("normal/a.png", "b/a.png"), class_names={"nromal": "healthy"})


def test_accented_folder_names_match_however_they_are_spelled(tmp_path: Path) -> None:
    files = pictures("cance\u0301reux/a.png", "normal/a.png")
    assert set(ingest(tmp_path, files, class_names={"canc\u00e9reux": "cancer"}).index["label"]) == {"cancer", "normal"}


def test_what_is_no_image_is_quarantined_with_its_reason(tmp_path: Path) -> None:
    whole = picture(9, size=(200, 200))
    good = pictures("normal/a.png", "normal/b.png", "adenocarcinoma/c.png")
    bad = {
        "normal/truncated.png": whole[: len(whole) // 2],
        "normal/empty.png": b"",
        "normal/text.png": b"patient: unknown",
        "adenocarcinoma/tiny.png": picture(8, size=(1, 1)),
        "adenocarcinoma/labels.csv": b"file,label\n",
        "README.txt": b"read me",
        "normal/.DS_Store": b"x",
        "__MACOSX/normal/._a.png": b"x",
    }
    buffer = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(buffer, format="PNG")
    wrong_extension = {"normal/really_a.png": picture(7, kind="JPEG")}

    outcome = ingest(tmp_path, {**good, **wrong_extension, **bad, "normal/huge.png": buffer.getvalue()})

    assert set(outcome.quarantine) == {*bad, "normal/huge.png"} - {"__MACOSX/normal/._a.png"} | {"__MACOSX"}
    assert outcome.quarantine["README.txt"] == "not in a class folder"
    assert outcome.quarantine["normal/.DS_Store"] == outcome.quarantine["__MACOSX"] == "system or hidden file"
    assert "20000" in outcome.quarantine["normal/huge.png"]
    assert all(outcome.quarantine.values())
    assert set(outcome.index["path"]) == {*good, *wrong_extension}
    assert outcome.index.set_index("path").loc["normal/really_a.png", "format"] == "JPEG"
    assert outcome.summary["files"] == outcome.summary["images"] + outcome.summary["quarantined"] == 13


def test_what_an_archive_hides_is_quarantined_too(tmp_path: Path) -> None:
    archive = tmp_path / "ct.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in pictures("ct/normal/ä.png", "ct/b/图.png").items():
            file.writestr(name, content)
        file.writestr("../evil.png", picture(3))
        file.writestr("ct/b/bomb.png", bytes(5_000_000))

    outcome = run(tmp_path, source=str(archive))

    assert outcome.quarantine == {
        "../evil.png": "path leads out of its folder (`..`)",
        "ct/b/bomb.png": "unpacks to more than 200 times its size",
    }
    assert set(outcome.index["path"]) == {"ct/normal/ä.png", "ct/b/图.png"}
    assert outcome.summary["files"] == 4
    assert len(outcome.summary["archive_sha256"]) == 64


def test_images_with_contradicting_labels_are_all_left_out(tmp_path: Path) -> None:
    shared, other = picture(1), picture(2)
    files = {
        "normal/a.png": shared,
        "normal/copy of a.png": shared,
        "adenocarcinoma/b.png": shared,
        "adenocarcinoma/c.bmp": picture(2, kind="BMP"),
        "normal/c.png": other,
        "normal/good.png": picture(3),
        "normal/good again.png": picture(3),
        "adenocarcinoma/good.png": picture(4),
    }

    outcome = ingest(tmp_path, files)

    def reason(label: str, same: str, other_label: str, other: str) -> str:
        return f"contradicting labels: labelled {label!r}, and the same {same} are {other_label!r} in {other!r}"

    assert outcome.quarantine == {
        "adenocarcinoma/b.png": reason("adenocarcinoma", "bytes", "normal", "normal/a.png"),
        "adenocarcinoma/c.bmp": reason("adenocarcinoma", "pixels", "normal", "normal/c.png"),
        "normal/a.png": reason("normal", "bytes", "adenocarcinoma", "adenocarcinoma/b.png"),
        "normal/copy of a.png": reason("normal", "bytes", "adenocarcinoma", "adenocarcinoma/b.png"),
        "normal/c.png": reason("normal", "pixels", "adenocarcinoma", "adenocarcinoma/c.bmp"),
    }
    assert list(outcome.index["path"]) == ["adenocarcinoma/good.png", "normal/good again.png", "normal/good.png"]


def test_a_class_without_images_is_reported_and_the_others_go_on(tmp_path: Path) -> None:
    files = {**pictures("normal/a.png", "adenocarcinoma/only one.png"), "squamous/": b"", "large/text.png": b"text"}
    outcome = ingest(tmp_path, files)
    assert outcome.quarantine["squamous"] == outcome.quarantine["large"] == EMPTY
    assert set(outcome.summary["classes"]) == {"normal", "adenocarcinoma"}
    assert outcome.summary["files"] == 3


@pytest.mark.parametrize(
    ("files", "received"),
    [
        (pictures("normal/a.png", "normal/b.png"), "'normal' with 2 images. Left out \\(0\\): nothing"),
        (pictures("data/normal/a.png", "data/normal/patient/b.png"), "'normal' with 2 images"),
        ({**pictures("normal/a.png"), "adenocarcinoma/b.png": b""}, "'normal' with 1 images. .*adenocarcinoma: class"),
        (pictures("a.png", "b.png"), "Received classes: none. Left out \\(2\\): a.png: not in a class folder"),
        (
            {"normal/a.png": picture(1), "b/a.png": picture(1)},
            "Received classes: none. Left out \\(2\\): b/a.png: contra",
        ),
    ],
    ids=["one folder", "one nested folder", "one readable", "none", "only contradictions"],
)
def test_fewer_than_two_classes_stop_the_run(tmp_path: Path, files: dict[str, bytes], received: str) -> None:
    with pytest.raises(
        ValueError, match=rf"`data_ingestion\.source`\. Expected images of two or more classes.*{received}"
    ):
        ingest(tmp_path, files)


def test_a_source_that_does_not_exist_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"`data_ingestion\.source`.*existing zip or folder. Received: 'nowhere\.zip'"):
        run(tmp_path, source="nowhere.zip")
    assert list(tmp_path.iterdir()) == []
