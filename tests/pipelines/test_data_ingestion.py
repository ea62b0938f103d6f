"""data_ingestion from a source to its index, quarantine table and summary, as Kedro runs it."""

import io
import json
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from PIL import Image

from chest_cancer.datasets.image_folder_dataset import ImageFolderDataset
from chest_cancer.parameters.blocks import DataIngestionParameters
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


def three(*folders: str) -> dict[str, bytes]:
    """Three different images in each folder: the fewest that a class can be split with."""
    return pictures(*(f"{folder}/{name}.png" for folder in folders for name in "abc"))


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
            "params:model_training.normal_class": MemoryDataset(normal_class),
            "params:model_training.positive_classes": MemoryDataset(None),
            "params:seed": MemoryDataset(3),
            "patient_key": MemoryDataset(bytes(32)),
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
    outcome = run(tmp_path, phantom={"images": 9, "classes": ["normal", "adenocarcinoma", "large_cell"]})

    assert outcome.quarantine == {}
    assert outcome.summary["synthetic"]
    assert outcome.summary["kind"] == "phantom"
    assert outcome.summary["classes"] == {
        label: {"images": 3, "distinct": 3} for label in ("adenocarcinoma", "large_cell", "normal")
    }


def test_the_index_describes_every_image(tmp_path: Path) -> None:
    outcome = ingest(tmp_path, three("normal", "adenocarcinoma"))

    index = outcome.index
    assert list(index.columns) == [
        "path", "label", "patient", "study", "series", "source_split", "content_sha256", "pixel_sha256",
        "perceptual_hash", "format", "mode", "scaling", "width", "height", "coloured", "letters", "bytes",
    ]  # fmt: skip
    first = index.iloc[0]
    assert (first["path"], first["format"], first["mode"], first["width"], first["height"]) == (
        "adenocarcinoma/a.png", "PNG", "L", 40, 32,
    )  # fmt: skip
    assert first["bytes"] == (tmp_path / "source" / "adenocarcinoma" / "a.png").stat().st_size
    assert index["content_sha256"].nunique() == index["pixel_sha256"].nunique() == 6


def test_the_tables_survive_parquet(tmp_path: Path) -> None:
    outcome = ingest(tmp_path, three("normal", "adenocarcinoma"))
    outcome.index.to_parquet(tmp_path / "index.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "index.parquet"), outcome.index)


def test_the_summary_counts_copies_and_what_was_left_out(tmp_path: Path) -> None:
    same_pixels = picture(0, kind="BMP")
    files = three("normal", "adenocarcinoma")
    outcome = ingest(
        tmp_path, {**files, "normal/copy.png": files["normal/a.png"], "normal/a.bmp": same_pixels, "x": b""}
    )

    new = {"slices_without_lung", "patient_count", "pattern", "counts", "left_out", "notes", "odd"}
    summary = {name: value for name, value in outcome.summary.items() if name not in new}
    assert summary | {"digest": ""} == {
        "location": str(tmp_path / "source"),
        "kind": "folder",
        "synthetic": False,
        "archive_sha256": None,
        "digest": "",
        "files": 9,
        "readable": 8,
        "quarantined": 1,
        "not_chosen": 0,
        "images": 8,
        "distinct_by_content": 7,
        "distinct_by_pixels": 6,
        "patients": None,
        "classes": {"adenocarcinoma": {"images": 3, "distinct": 3}, "normal": {"images": 5, "distinct": 4}},
    }
    assert len(outcome.index) == 8


def test_the_summary_says_how_many_patients_were_told(tmp_path: Path) -> None:
    outcome = ingest(tmp_path, three("normal", "adenocarcinoma"), patient_count=4)

    assert outcome.summary["patient_count"] == 4


def test_the_digest_depends_on_images_labels_and_splits_but_not_on_names(tmp_path: Path) -> None:
    def named(folders: dict[str, Iterable[int]], name: str) -> dict[str, bytes]:
        return {f"{folder}/{name}{seed}.png": picture(seed) for folder, seeds in folders.items() for seed in seeds}

    layouts = [
        named({"normal": range(3), "b": range(3, 6)}, "a"),
        named({"normal": range(3), "b": range(3, 6)}, "other"),
        named({"normal": range(3, 6), "b": range(3)}, "a"),
        named(
            {"train/normal": range(2), "test/normal": range(2, 3), "train/b": range(3, 5), "test/b": range(5, 6)}, "a"
        ),
    ]
    digests = [ingest(tmp_path / str(n), files).summary["digest"] for n, files in enumerate(layouts)]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


@pytest.mark.parametrize("wrapper", ["", "data/", "download/Chest CT/images/"])
def test_class_folders_are_found_below_any_wrapper(tmp_path: Path, wrapper: str) -> None:
    files = three(f"{wrapper}normal", f"{wrapper}adenocarcinoma/patient 1")
    assert rows(ingest(tmp_path, files)) == {
        name: ("normal" if "normal" in name else "adenocarcinoma", None) for name in files
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
    found = rows(ingest(tmp_path, three("test/normal", "test/b")))
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
    files = three("cance\u0301reux", "normal")
    assert set(ingest(tmp_path, files, class_names={"canc\u00e9reux": "cancer"}).index["label"]) == {"cancer", "normal"}


def test_what_is_no_image_is_quarantined_with_its_reason(tmp_path: Path) -> None:
    whole = picture(9, size=(200, 200))
    good = three("normal", "adenocarcinoma")
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
    assert outcome.quarantine["README.txt"] == "text (.txt), no image"
    assert outcome.quarantine["adenocarcinoma/labels.csv"].startswith("a table (.csv), no image: to read classes")
    assert outcome.quarantine["normal/.DS_Store"] == outcome.quarantine["__MACOSX"] == "system or hidden file"
    assert "20000" in outcome.quarantine["normal/huge.png"]
    assert all(outcome.quarantine.values())
    assert set(outcome.index["path"]) == {*good, *wrong_extension}
    assert outcome.index.set_index("path").loc["normal/really_a.png", "format"] == "JPEG"
    assert outcome.summary["files"] == outcome.summary["images"] + outcome.summary["quarantined"] == 16


def test_what_an_archive_hides_is_quarantined_too(tmp_path: Path) -> None:
    archive = tmp_path / "ct.zip"
    good = three("ct/normal/ä", "ct/b/图")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in good.items():
            file.writestr(name, content)
        file.writestr("../evil.png", picture(3))
        file.writestr("ct/b/bomb.png", bytes(5_000_000))

    outcome = run(tmp_path, source=str(archive))

    assert outcome.quarantine == {
        "../evil.png": "path leads out of its folder (`..`)",
        "ct/b/bomb.png": "unpacks to more than 200 times its size",
    }
    assert set(outcome.index["path"]) == set(good)
    assert outcome.summary["files"] == 8
    assert len(outcome.summary["archive_sha256"]) == 64


def test_images_with_contradicting_labels_are_all_left_out(tmp_path: Path) -> None:
    shared, other = picture(1), picture(2)
    files = {
        "normal/a.png": shared,
        "normal/copy of a.png": shared,
        "adenocarcinoma/b.png": shared,
        "adenocarcinoma/c.bmp": picture(2, kind="BMP"),
        "normal/c.png": other,
        "normal/copy.png": picture(103),
        "normal/copy again.png": picture(103),
        **{f"{label}/{seed}.png": picture(seed) for seed, label in enumerate(2 * ["adenocarcinoma", "normal"], 100)},
        **{f"{label}/{seed}.png": picture(seed) for seed, label in enumerate(["adenocarcinoma", "normal"], 104)},
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
    assert set(outcome.index["path"]) == set(files) - set(outcome.quarantine)
    assert outcome.summary["odd"] == [
        "`adenocarcinoma`: 2 of 5 files could not be used, such as adenocarcinoma/b.png: "
        + reason("adenocarcinoma", "bytes", "normal", "normal/a.png") + ".",
        "`normal`: 3 of 8 files could not be used, such as normal/a.png: "
        + reason("normal", "bytes", "adenocarcinoma", "adenocarcinoma/b.png") + ".",
    ]  # fmt: skip


def test_a_folder_without_images_is_reported_and_the_others_go_on(tmp_path: Path) -> None:
    files = {**three("normal", "adenocarcinoma"), "squamous/": b"", "documents/notes.txt": b"text"}
    outcome = ingest(tmp_path, files)
    assert outcome.quarantine == {
        "squamous": EMPTY,
        "documents": EMPTY,
        "documents/notes.txt": "text (.txt), no image",
    }
    assert set(outcome.summary["classes"]) == {"normal", "adenocarcinoma"}
    assert outcome.summary["files"] == 7


@pytest.mark.parametrize(
    ("files", "received"),
    [
        (pictures("normal/a.png", "normal/b.png"), "'normal' with 2 files. Left out \\(0\\): nothing"),
        (pictures("data/normal/a.png", "data/normal/patient/b.png"), "'normal' with 2 files"),
        ({**pictures("normal/a.png"), "b/": b""}, "'normal' with 1 files. .*b: class folder holds no image"),
        (pictures("a.png", "b.png"), "Received classes: none. Left out \\(2\\): a.png: not in a class folder"),
        (
            {**pictures("images/a.png"), "images/labels.csv": b"a.png,normal"},
            r"images/labels.csv: a table \(.csv\), no image: to read classes, patients or splits off it, name it in",
        ),
        (
            {"ct.zip": b"PK\x03\x04"},
            r"ct.zip: an archive \(.zip\) inside the source, which is not opened: unpack it in its",
        ),
    ],
    ids=["one folder", "one nested folder", "an empty one", "none", "a table", "zip in zip"],
)
def test_fewer_than_two_classes_stop_the_run(tmp_path: Path, files: dict[str, bytes], received: str) -> None:
    with pytest.raises(
        ValueError, match=rf"`data_ingestion\.source`\. Expected images of two or more classes.*{received}"
    ):
        ingest(tmp_path, files)


def test_a_single_image_as_source_stops_the_run_with_what_is_expected(tmp_path: Path) -> None:
    (tmp_path / "slice.png").write_bytes(picture(1))
    with pytest.raises(ValueError, match=r"none\. Left out \(1\): slice\.png: not in a class folder\. Pass a zip"):
        run(tmp_path, source=str(tmp_path / "slice.png"))


def test_a_source_that_does_not_exist_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"`data_ingestion\.source`.*existing zip.* or folder\. Received: 'nowhere\.zip'"
    ):
        run(tmp_path, source="nowhere.zip")
    assert list(tmp_path.iterdir()) == []


def exclude(tmp_path: Path, text: str) -> str:
    table = tmp_path / "suspects.csv"
    table.write_text(text)
    return str(table)


def test_a_table_of_paths_leaves_images_out_with_the_reason(tmp_path: Path) -> None:
    files = pictures(*(f"{folder}/{name}.png" for folder in ("normal", "tumour") for name in "abcd"))

    outcome = ingest(tmp_path, files, exclude=exclude(tmp_path, "rank,path\n1,normal/b.png\n2,tumour/d.png\n"))

    assert outcome.quarantine == dict.fromkeys(("normal/b.png", "tumour/d.png"), "left out by `data_ingestion.exclude`")
    assert len(outcome.index) == 6
    assert outcome.summary["quarantined"] == 2


def test_a_path_as_our_own_tables_have_it_leaves_its_image_out(tmp_path: Path) -> None:
    """With an apostrophe before what a spreadsheet would compute."""
    files = pictures(*(f"{folder}/{name}.png" for folder in ("-1", "normal") for name in "abcd"))

    outcome = ingest(tmp_path, files, exclude=exclude(tmp_path, "path\n'-1/b.png\n"))

    assert outcome.quarantine == {"-1/b.png": "left out by `data_ingestion.exclude`"}


def test_a_digest_leaves_out_all_copies_of_a_picture(tmp_path: Path) -> None:
    files = pictures(*(f"{folder}/{name}.png" for folder in ("normal", "tumour") for name in "abcd"))
    files["normal/copy.png"] = files["normal/b.png"]
    found = ingest(tmp_path / "before", files).index.set_index("path")["pixel_sha256"]

    outcome = ingest(
        tmp_path, files, exclude=exclude(tmp_path, f"path,pixel_sha256\nelsewhere.png,{found['normal/b.png']}\n")
    )

    assert set(outcome.quarantine) == {"normal/b.png", "normal/copy.png"}


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (
            None,
            "Expected a CSV, TSV or Parquet file, by its path from here. Received: 'none.csv'. Copy data/08_reporting",
        ),
        (
            "rank,file\n1,normal/a.png\n",
            r"Expected a table with a column `pixel_sha256` or `path`. Received .* rank, file",
        ),
        (
            "path\nnormal/a.png\nnormal/x.png\n",
            "Received 1 of 2 that are of none, such as `normal/x.png`. Take these rows",
        ),
    ],
)
def test_a_table_that_can_not_be_meant_stops_the_run(tmp_path: Path, table: str | None, words: str) -> None:
    named = "none.csv" if table is None else exclude(tmp_path, table)

    with pytest.raises(ValueError, match=words) as error:
        ingest(tmp_path, three("normal", "tumour"), exclude=named)

    assert "Invalid value received for `data_ingestion.exclude`." in str(error.value)
