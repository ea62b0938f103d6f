"""Folders as people have them: the classes are right, or the run stops before a file is opened and says what to do."""

import io
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import HealthCheck, example, given
from hypothesis import strategies as st
from PIL import Image

from chest_cancer.parameters.blocks import DataIngestionParameters
from chest_cancer.pipelines.data_ingestion.nodes import index_images
from chest_cancer.sources.image_folder import ImageFolder, SourceRecord
from properties import examples

Index = Callable[..., dict[str, Any]]

KEY = bytes(32)
LONG = {
    "adenocarcinoma_left.lower.lobe_T2_N0_M0_Ib": "adenocarcinoma",
    "large.cell.carcinoma_left.hilum_T2_N2_M0_IIIa": "large.cell.carcinoma",
    "squamous.cell.carcinoma_left.hilum_T1_N2_M0_IIIa": "squamous.cell.carcinoma",
}


@cache
def picture(seed: int, side: int = 32, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, format=kind)
    return buffer.getvalue()


def pictures(folders: Iterable[str], count: int = 3) -> dict[str, bytes]:
    names = [f"{folder}/{number}.png" for folder in folders for number in range(count)]
    return {name: picture(seed) for seed, name in enumerate(names)}


def make_folder(root: Path, files: dict[str, bytes], refused: tuple[tuple[str, str], ...] = ()) -> ImageFolder:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    record = SourceRecord(
        kind="folder", location="here", sha256=None, synthetic=False, fingerprint="", files=len(files), bytes=0
    )
    return ImageFolder(root, record, refused)


def index_folder(
    folder: ImageFolder, normal_class: Any = "normal", positive_classes: Any = None, **parameters: Any
) -> tuple[pd.DataFrame, dict[str, str], dict[str, Any]]:
    index, quarantine, summary, _ = index_images(
        folder, DataIngestionParameters(**parameters), normal_class, KEY, positive_classes
    )
    return index, dict(zip(quarantine["path"], quarantine["reason"], strict=True)), summary


@pytest.fixture
def index(tmp_path: Path) -> Index:
    """Index files; return index, quarantine and summary."""

    def run(files: dict[str, bytes], refused: tuple[tuple[str, str], ...] = (), **options: Any) -> dict[str, Any]:
        root = tmp_path / str(len(list(tmp_path.iterdir())))
        found, quarantine, summary = index_folder(make_folder(root, files, refused), **options)
        splits = found["source_split"].astype(object).where(found["source_split"].notna(), None)
        labels = dict(zip(found["path"], zip(found["label"], splits, strict=True), strict=True))
        return {"labels": labels, "quarantine": quarantine, **summary}

    return run


def refusal(index: Index, files: dict[str, bytes], **options: Any) -> str:
    with pytest.raises(ValueError, match="Invalid value received for") as caught:
        index(files, **options)
    return str(caught.value)


def block_of(message: str) -> dict[str, str]:
    """The block `class_names` that a message has to copy."""
    lines = message[message.index("data_ingestion:\n") :].splitlines()
    indented = [line for number, line in enumerate(lines) if number == 0 or line.startswith(" ")]
    return yaml.safe_load("\n".join(indented))["data_ingestion"]["class_names"]


@pytest.mark.parametrize(
    ("pattern", "masks"),
    [
        ("{label}/{kind}", "masks"),
        ("{label}/{kind}", "infection masks"),
        ("{kind}/{label}", "Mask"),
        ("{kind}/{label}", "annotations"),
        ("train/{label}/{kind}", "lung_masks"),
        ("train/{label}/{kind}", "masks"),
        ("data/{kind}/{label}", "segmentation"),
        ("data/{kind}/{label}", "lung_masks"),
    ],
)
def test_masks_and_annotations_are_left_out_and_it_is_said(index: Index, pattern: str, masks: str) -> None:
    images = pictures(pattern.format(label=label, kind="images") for label in ("normal", "tumour"))
    drawn = pictures(pattern.format(label=label, kind=masks) for label in ("normal", "tumour"))

    found = index({**images, **drawn})

    assert {path: label for path, (label, _) in found["labels"].items()} == {
        path: "normal" if "normal" in path else "tumour" for path in images
    }
    assert set(found["quarantine"]) == set(drawn)
    assert all("of masks or annotations, which are no slices" in reason for reason in found["quarantine"].values())
    assert any(masks in note and "left out" in note for note in found["notes"])


def test_a_folder_of_masks_that_class_names_names_is_a_class(index: Index) -> None:
    found = index(pictures(["normal", "mask"]), class_names={"mask": "mask"})
    assert set(found["counts"]) == {"normal", "mask"}


def test_masks_by_an_unknown_name_stop_the_run(index: Index) -> None:
    message = refusal(index, pictures(["normal/raw", "normal/overlay", "tumour/raw", "tumour/overlay"]))
    assert "Received the same folders, `overlay`, `raw`, inside of `normal`, `tumour`" in message
    assert "  normal/  6 files\n    overlay/  3 files" in message


@pytest.mark.parametrize(
    "names",
    [
        ("Training", "Validation", "Testing"),
        ("train_set", "val_set", "test_set"),
        ("Train Data", "dev", "TEST"),
        ("trainset", "validset", "testset"),
        ("training-images", "validation-images", "testing-images"),
    ],
)
def test_usual_names_of_splits_are_known_in_any_case(index: Index, names: tuple[str, ...]) -> None:
    found = index(pictures(f"{split}/{label}" for split in names for label in ("normal", "tumour")))
    splits = dict(zip(names, ("train", "validation", "test"), strict=True))
    assert {path: split for path, (_, split) in found["labels"].items()} == {
        path: splits[path.split("/")[0]] for path in found["labels"]
    }
    assert found["pattern"] == "<split>/<class>/<file>"
    assert found["counts"]["normal"] == {"train": 3, "validation": 3, "test": 3}


def test_splits_whose_classes_lie_in_one_more_folder_are_read(index: Index) -> None:
    found = index(pictures(f"{split}/images/{label}" for split in ("train", "test") for label in ("normal", "b")))
    assert set(found["labels"].values()) == {(label, split) for label in ("normal", "b") for split in ("train", "test")}


def test_splits_that_were_unpacked_into_themselves_are_read(index: Index) -> None:
    found = index(pictures(f"{split}/{split}/{label}" for split in ("train", "test") for label in ("normal", "b")))
    assert set(found["labels"].values()) == {(label, split) for label in ("normal", "b") for split in ("train", "test")}


def test_splits_inside_splits_stop_the_run(index: Index) -> None:
    message = refusal(index, pictures(["train/normal", "train/valid", "test/normal", "test/valid"]))
    assert "Received `test/valid`, `train/valid`: called like splits, and inside of a split" in message


def test_splits_inside_classes_are_kept(index: Index) -> None:
    found = index(pictures(f"{label}/{split}" for label in ("normal", "b") for split in ("Train", "Test")))
    assert found["pattern"] == "<class>/<split>/<file>"
    assert found["counts"] == {"b": {"train": 3, "test": 3}, "normal": {"train": 3, "test": 3}}


def test_splits_inside_some_classes_only_are_ignored_and_it_is_said(index: Index) -> None:
    found = index(pictures(["normal/train", "normal/test", "b"]))
    assert {split for _, split in found["labels"].values()} == {None}
    assert found["notes"] == ["Names of splits below class folders were ignored: `normal/test`, `normal/train`."]


@pytest.mark.parametrize("names", [("fold1", "fold2", "fold3"), ("Fold_1", "Fold_2"), ("1st fold", "2nd fold")])
def test_folds_stop_the_run(index: Index, names: tuple[str, ...]) -> None:
    message = refusal(index, pictures(f"{fold}/{label}" for fold in names for label in ("normal", "tumour")))
    assert "Folds of a cross-validation are not taken for splits" in message
    assert "Rename them to train, validation and test" in message


def test_splits_without_class_folders_stop_the_run(index: Index) -> None:
    message = refusal(index, pictures(["train", "test"]))
    assert "Received `test`, `train`: called like splits, and without class folders inside" in message
    message = refusal(index, pictures(["normal", "tumour", "test"]))
    assert "Received `test`: called like splits" in message


@pytest.mark.parametrize(
    "folders",
    [
        [f"patient {number}/{label}" for number in range(8) for label in ("normal", "tumour")],
        [f"p{number}/{'normal' if number % 2 else 'tumour'}" for number in range(8)],
        [f"hospital_{name}/{label}" for name in "AB" for label in ("normal", "tumour")],
        [f"hospital_{name}/images/{label}" for name in "AB" for label in ("normal", "tumour")],
        ["A/normal", "A/tumour", "B/normal", "B/adenoma"],
        [f"{split}/{site}/{label}" for split in ("train", "test") for site in "AB" for label in ("normal", "tumour")],
        [f"{site}/{split}/{label}" for split in ("train", "test") for site in "AB" for label in ("normal", "tumour")],
    ],
    ids=["patients", "patients of one class each", "hospitals", "wrapped", "half", "in splits", "around splits"],
)
def test_the_same_folders_below_every_class_stop_the_run_with_the_tree_and_the_cure(
    index: Index, folders: list[str]
) -> None:
    message = refusal(index, pictures(folders))
    assert "Received the same folders, " in message
    assert "`normal`" in message
    assert f"{folders[0].split('/')[-1]}/  3 files" in message or "/  6 files" in message
    assert "are the classes, say so in conf/local/parameters.yml:\ndata_ingestion:\n  class_names:\n" in message
    assert message.count("If a table says which class each file is of, name it: `data_ingestion.table.path`") == 1


def test_what_the_message_says_of_classes_above_and_below_is_what_happens(index: Index) -> None:
    files = pictures(f"hospital_{name}/{label}" for name in "AB" for label in ("normal", "tumour"))
    above, below = (part for part in refusal(index, files).split("say so in conf/local/parameters.yml:\n")[1:])

    found = index(files, class_names=block_of(below))
    assert found["counts"] == {"normal": {"no split": 6}, "tumour": {"no split": 6}}
    assert found["pattern"] == "<folder>/<class>/<file>"
    assert "The folders above those of `class_names` were ignored: `hospital_A`, `hospital_B`." in found["notes"]
    found = index(files, class_names=block_of(above), normal_class="hospital_A")
    assert set(found["counts"]) == {"hospital_A", "hospital_B"}


def test_patients_below_classes_are_named(index: Index) -> None:
    found = index(pictures(["normal/patient 1", "normal/patient 2", "tumour/patient 3", "tumour/patient 4"]))
    (note,) = found["notes"]
    assert note.startswith("4 folders lie below the class folders, as in <class>/<patient>/<file>: `normal/patient 1`")


@pytest.mark.parametrize(
    "names", [("A002304", "A046441"), ("patient 1", "patient_2"), ("LIDC-IDRI-0001", "LIDC-IDRI-0002"), ("001", "002")]
)
def test_folders_that_are_called_like_patients_stop_the_run(index: Index, names: tuple[str, ...]) -> None:
    message = refusal(index, pictures(names), normal_class=None)
    assert f"Received folders that are called like patients or series, `{names[0]}`, `{names[1]}`, not like" in message
    assert block_of(message) == {name: name for name in names}
    assert set(index(pictures(names), normal_class=None, class_names=block_of(message))["counts"]) == set(names)


@pytest.mark.parametrize("copy", ["Data - Copy", "Data (1)", "Copy of Data", "Data copy 2", "Data - Kopie"])
def test_a_copy_beside_the_data_stops_the_run(index: Index, copy: str) -> None:
    files = pictures(f"{folder}/{label}" for folder in ("Data", copy) for label in ("normal", "tumour"))
    message = refusal(index, files)
    assert f"Received `{copy}` beside `Data`, of which it is a copy by its name:" in message
    assert f"  {copy}/  6 files\n    normal/  3 files" in message
    assert "Remove one of them." in message


def test_classes_inside_of_classes_stop_the_run(index: Index) -> None:
    message = refusal(index, pictures(["normal", "tumour", "more/normal", "more/tumour"]))
    assert "Received folders `normal`, `tumour` both as classes and inside of another class" in message


def test_a_class_folder_inside_one_of_its_own_name_is_no_trouble(index: Index) -> None:
    assert set(index(pictures(["normal/normal", "tumour/tumour"]))["counts"]) == {"normal", "tumour"}


def test_folders_beside_those_of_splits_are_left_out_and_it_is_said(index: Index) -> None:
    files = pictures(["train/normal", "train/tumour", "test/normal", "test/tumour", "extra/normal"])
    found = index(files)
    assert set(found["quarantine"]) == {path for path in files if path.startswith("extra/")}
    assert "`extra` lies beside the folders of splits and is none: left out." in found["notes"]


def test_images_in_a_split_or_beside_classes_but_in_no_class_are_left_out_and_it_is_said(index: Index) -> None:
    found = index(pictures(["train/normal", "train/tumour", "test"]))
    assert set(found["quarantine"].values()) == {"not in a class folder"}
    assert found["notes"] == ["3 file(s) lie in no class folder and were left out, such as `test/0.png`."]
    found = index({**pictures(["normal", "tumour"]), "loose.png": picture(77)})
    assert found["notes"] == ["1 file(s) lie in no class folder and were left out, such as `loose.png`."]


@pytest.mark.parametrize("folders", [("train/Normal", "test/normal"), ("Normal", "normal")])
def test_names_that_differ_in_case_alone_are_one_class(index: Index, folders: tuple[str, ...]) -> None:
    others = [folder.replace("Normal", "tumour").replace("normal", "tumour") for folder in folders]
    found = index(pictures(dict.fromkeys([*folders, *others])))
    assert set(found["counts"]) == {"normal", "tumour"}
    assert found["notes"] == ["`Normal`, `normal` differ in case alone: taken as one class, `normal`."]


def test_long_names_in_train_and_short_ones_in_test_stop_the_run_with_a_block_that_works(index: Index) -> None:
    long = [f"Data/{split}/{name}" for split in ("train", "valid") for name in (*LONG, "normal")]
    files = pictures([*long, *(f"Data/test/{name}" for name in (*LONG.values(), "normal"))])

    message = refusal(index, files)

    assert "Expected the same classes in every split. Received:\n  train: adenocarcinoma_left.lower.lobe" in message
    assert "\n  test: adenocarcinoma, large.cell.carcinoma, normal, squamous.cell.carcinoma\n" in message
    assert block_of(message) == LONG
    assert set(index(files, class_names=block_of(message))["counts"]) == {*LONG.values(), "normal"}


def test_three_spellings_in_three_splits_become_one_class(index: Index) -> None:
    pairs = [("train", "COVID-19"), ("valid", "covid_19"), ("test", "COVID")]
    files = pictures(f"{split}/{name}" for split, label in pairs for name in (label, "normal"))
    block = block_of(refusal(index, files))
    assert block == {"COVID-19": "COVID", "covid_19": "COVID"}
    assert set(index(files, class_names=block)["counts"]) == {"COVID", "normal"}


def test_long_and_short_names_above_splits_stop_the_run_with_a_block_that_works(index: Index) -> None:
    files = pictures(["normal/train", "normal/test", "Adeno (left)/train", "adeno/test"])
    block = block_of(refusal(index, files))
    assert block == {"Adeno (left)": "adeno"}
    assert index(files, class_names=block)["counts"]["adeno"] == {"train": 3, "test": 3}


def test_a_class_that_a_split_lacks_stops_the_run(index: Index) -> None:
    message = refusal(index, pictures(["train/normal", "train/tumour", "train/xyz", "test/normal", "test/tumour"]))
    assert "  train: normal, tumour, xyz\n  test: normal, tumour\n" in message
    assert message.endswith("Add the missing images, or take the class out of the source.")


@pytest.mark.parametrize("difference", ["Normal", "normals", "NORMAL", "nor-mal"])
def test_a_normal_class_that_is_no_class_stops_the_run_with_the_one_that_was_meant(
    index: Index, difference: str
) -> None:
    message = refusal(index, pictures(["normal", "tumour"]), normal_class=difference)
    assert message.startswith(
        "Invalid value received for `model_training.normal_class`. Expected one of the classes: `normal`, `tumour`. "
        f"Received: '{difference}'. Did you mean `normal`? Pass --params \"model_training.normal_class='normal'\", "
        "or write it into conf/local/parameters.yml."
    )
    assert "null" not in message


def test_a_normal_class_that_is_a_word_of_one_is_proposed(index: Index) -> None:
    message = refusal(index, pictures(["Bengin cases", "Malignant cases", "Normal cases"]))
    assert "Received: 'normal'. Did you mean `Normal cases`?" in message


def test_a_normal_class_like_no_class_stops_the_run(index: Index) -> None:
    message = refusal(index, pictures(["COVID", "PNEUMONIA"]))
    assert (
        "`COVID`, `PNEUMONIA`. Received: 'normal'. Set it to the class without disease, by --params or in conf"
        in message
    )
    assert "null" not in message


def test_a_normal_class_that_is_a_number_is_a_name(index: Index) -> None:
    assert set(index(pictures(["0", "1"]), normal_class=0)["counts"]) == {"0", "1"}
    assert set(index(pictures(["0", "1"]), class_names={0: "no", 1: 2}, normal_class="no")["counts"]) == {"no", "2"}
    assert "Did you mean `01`?" in refusal(index, pictures(["01", "02"]), normal_class=1)


def test_positive_classes_that_are_not_some_of_the_diseases_stop_the_run(index: Index) -> None:
    files = pictures(["benign", "malignant", "normal"])
    message = refusal(index, files, positive_classes=["Malignant"])
    assert message.startswith(
        "Invalid value received for `model_training.positive_classes`. Expected some of the classes other than "
        "`normal`: `benign`, `malignant`. Received: ['Malignant']. Did you mean `malignant`? Write ['malignant']. "
    )
    for wrong in (["normal"], ["xyz", "benign"]):
        assert "Did you mean" not in refusal(index, files, positive_classes=wrong)
    everything = refusal(index, files, normal_class=None, positive_classes=["benign", "malignant", "normal"])
    assert "`normal`, not all. Received" in everything
    for right in (["malignant"], ["benign", "malignant"]):
        assert set(index(files, positive_classes=right)["counts"]) == {"benign", "malignant", "normal"}
    assert set(index(pictures(["0", "1"]), normal_class=0, positive_classes=[1])["counts"]) == {"0", "1"}


def test_a_class_that_loses_everything_stops_the_run(index: Index) -> None:
    broken = {f"large/{number}.png": b"JPEG Lossless" for number in range(14)}
    message = refusal(index, {**pictures(["normal", "tumour"]), **broken})
    assert (
        "Expected readable images of class `large`. Received 14 files, none of which can be used: large/0.png: "
        in message
    )
    assert message.endswith("Repair or convert these files, or take the class out of the source.")


@pytest.mark.parametrize("name", ["all.zip", "all.npz", "1.npy", "1.png.dvc"])
def test_a_class_whose_images_are_in_a_file_that_is_not_read_stops_the_run(index: Index, name: str) -> None:
    message = refusal(index, {**pictures(["normal", "tumour"]), f"large/{name}": b"PK\x03\x04"})
    assert f"of class `large`. Received 1 file, none of which can be used: large/{name}: a" in message


@pytest.mark.parametrize(
    ("refused", "received"),
    [
        (("large/1.png", "encrypted"), "1 file, none of which can be used: large/1.png: encrypted"),
        (
            ("large", "folder is a symbolic link: put the folder itself in its place"),
            "large: folder is a symbolic link",
        ),
        (("large", "folder can't be opened: Permission denied"), "large: folder can't be opened: Permission denied"),
        (("large", "symbolic link in an archive: pack the file itself"), "large: symbolic link in an archive"),
    ],
)
def test_a_class_of_which_nothing_came_in_stops_the_run(index: Index, refused: tuple[str, str], received: str) -> None:
    message = refusal(index, pictures(["normal", "tumour"]), refused=(refused,))
    assert "Expected readable images of class `large`." in message
    assert received in message


def test_a_class_that_loses_some_is_warned_of_at_the_end_and_in_the_summary(
    index: Index, caplog: pytest.LogCaptureFixture
) -> None:
    broken = {f"tumour/broken {number}.png": b"JPEG Lossless" for number in range(14)}
    found = index({**pictures(["normal", "tumour"]), **broken})
    (sentence,) = found["odd"]
    assert sentence.startswith(
        "`tumour`: 14 of 17 files could not be used, such as tumour/broken 0.png: not a supported"
    )
    assert sentence in [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            pictures(["normal", "tumour"], 2),
            "Class `normal` has 2 distinct image(s): expected at least 3, one for each",
        ),
        (
            {**pictures(["normal"]), **{f"tumour/{number}.png": picture(99) for number in range(9)}},
            "Class `tumour` has 1 distinct image(s): expected at least 3, one for each of train, validation, test. Add",
        ),
        (
            {
                **pictures([f"{split}/{label}" for split in ("train", "test") for label in ("normal", "tumour")]),
                **{f"test/tumour/{number}.png": b"broken" for number in range(3)},
            },
            "Class `tumour` has 0 distinct image(s) in `test`: expected at least 1. Add images of other patients",
        ),
        (
            pictures(["train/normal", "test/normal"])
            | {f"{split}/tumour/{seed}.png": picture(seed) for split in ("train", "test") for seed in (91, 92)},
            "Class `tumour` has 0 distinct image(s) in `train`: expected at least 2, one for each of train, v",
        ),
    ],
    ids=["too few", "copies of one", "none readable in a split", "copies across splits"],
)
def test_a_class_with_too_few_pictures_for_its_splits_stops_the_run(
    index: Index, files: dict[str, bytes], message: str
) -> None:
    assert message in refusal(index, files)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (
            "small.png",
            picture(1, side=28),
            "28 x 28 pixels; expected at least 32 on each side (`data_ingestion.limi",
        ),
        (
            "lfs.png",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:1",
            "the file is a Git LFS pointer, not the file",
        ),
        ("a.png.dvc", b"outs:\n- md5: 1", "a pointer of DVC (.dvc), not the file itself: run `dvc pull` in the source"),
        ("labels.csv", b"a,b", "a table (.csv), no image: to read classes, patients or splits off it, name it"),
        ("more.zip", b"PK\x03\x04", "an archive (.zip) inside the source, which is not opened: unpack it in its place"),
        ("more.png", b"PK\x03\x04", "the file is a zip archive; unpack it and pass the images inside"),
        (
            "mnist.npz",
            b"PK\x03\x04",
            "an array file (.npz), which is not read: write each slice as a PNG or DICOM",
        ),
        ("volume.npy", b"\x93NUMPY", "an array file (.npy), which is not read"),
        ("page.png", b"<!DOCTYPE html>", "the file is a web page; fetch the file itself again"),
        ("README", b"x", "text (README), no image"),
    ],
)
def test_a_file_that_is_no_usable_image_is_named(index: Index, name: str, content: bytes, reason: str) -> None:
    found = index({**pictures(["normal", "tumour"]), f"normal/{name}": content})
    assert found["quarantine"][f"normal/{name}"].startswith(reason)
    assert found["left_out"] == [
        {"reason": found["quarantine"][f"normal/{name}"], "files": 1, "example": f"normal/{name}"}
    ]


def test_images_that_are_all_too_small_name_the_parameter(index: Index) -> None:
    files = {f"{label}/{number}.png": picture(number, side=28) for label in ("normal", "b") for number in range(3)}
    message = refusal(index, files)
    assert "28 x 28 pixels; expected at least 32 on each side (`data_ingestion.limits.min_side`)" in message
    assert index(pictures(["normal", "b"]), limits={"min_side": 28})["images"] == 6


def test_too_many_pixels_name_the_parameter(index: Index) -> None:
    files = {**pictures(["normal", "tumour"]), "normal/large.png": picture(1, side=64)}
    found = index(files, limits={"max_pixels": 2000})
    assert found["quarantine"]["normal/large.png"].endswith(
        "exceed the limit of 2,000 (`data_ingestion.limits.max_pixels`)"
    )


def test_the_early_words_are_a_table_and_what_looks_odd(index: Index, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    normal = {f"normal/{number}.png": picture(number) for number in range(24)}
    tumour = {f"tumour/{number}.bmp": picture(100 + number, 64, "BMP") for number in range(4)}

    found = index({**normal, **tumour, "normal/labels.csv": b"a", "normal/more.csv": b"b"})

    assert found["odd"] == [
        "`tumour` has 4 images, `normal` has 24: figures of the small class will be uncertain.",
        "Formats differ by class: 100% of `normal` are PNG, of `tumour` 0% (mostly BMP). A model may learn this and "
        "not the disease.",
        "Sizes differ by class: 100% of `normal` are 32 x 32, of `tumour` 0% (mostly 64 x 64). A model may learn this "
        "and not the disease.",
    ]
    assert found["counts"] == {"normal": {"no split": 24}, "tumour": {"no split": 4}}
    assert [(group["files"], group["example"]) for group in found["left_out"]] == [(2, "normal/labels.csv")]
    assert (
        "Classes, read as <class>/<file>:\n"
        "class   images  distinct  left out\n"
        "normal      24        24         0\n"
        "tumour       4         4         0"
    ) in caplog.text
    assert "Left out: 2, such as normal/labels.csv: a table (.csv), no image" in caplog.text


def test_a_class_of_copies_is_odd(index: Index) -> None:
    files = pictures(["normal", "tumour"]) | {f"tumour/copy {number}.png": picture(3) for number in range(4)}
    assert index(files)["odd"] == ["`tumour`: only 3 of its 7 images are distinct; copies count once."]


def test_sizes_that_vary_and_differ_by_class_are_odd(index: Index) -> None:
    files = {f"normal/{number}.png": picture(number, 32 + number) for number in range(6)}
    files |= {f"tumour/{number}.png": picture(50 + number, 96 + number) for number in range(6)}
    (sentence,) = index(files)["odd"]
    assert sentence.startswith("Sizes differ by class: the median image of `tumour` has 9,")


NAMES = st.sampled_from(
    [
        *("normal", "Normal", "tumour", "large_cell", "train", "Training", "test", "test_set", "validation", "images"),
        *("masks", "fold1", "fold2", "A", "B", "patient1", "A002304", "Data", "Data - Copy", "docs"),
    ]
)
FOLDERS = st.lists(NAMES, max_size=4).map("/".join)
OTHERS = st.sampled_from(["labels.csv", "broken.png", "notes", "more.zip", "README.md"])


def index_without_dropping_or_mislabelling(folder: ImageFolder) -> pd.DataFrame | None:
    """The index, if it was taken; every file has a place then, and every label is a folder above its image."""
    try:
        index, quarantine, summary = index_folder(folder, normal_class=None)
    except ValueError as error:
        assert str(error).startswith("Invalid value received for `data_ingestion.source`.")  # noqa: PT017  # it need not be raised
        return None
    places = [*index["path"], *(path for path in quarantine if path in folder.paths)]
    assert sorted(places) == sorted(folder.paths)
    assert all(quarantine.values())
    assert summary["images"] + summary["quarantined"] == len(folder.paths)
    assert sum(sum(count.values()) for count in summary["counts"].values()) == len(index)
    labels = set(index["label"])
    assert len(labels) >= 2
    for path, label in zip(index["path"], index["label"], strict=True):
        above = [part.casefold() for part in path.split("/")[:-1]]
        assert label.casefold() in above
        assert "masks" not in above
    # No class is called like a split, and not all are called like folds or patients.
    assert not [label for label in labels if label.casefold().startswith(("train", "test", "valid"))], sorted(
        folder.paths
    )
    assert not all(label.startswith("fold") for label in labels)
    assert not all(label.startswith(("patient", "A0")) for label in labels)
    return index


@example(folders={"fold1", "fold2"}, others={("docs", "notes")})
@examples(40, 200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(folders=st.sets(FOLDERS, min_size=1, max_size=8), others=st.sets(st.tuples(FOLDERS, OTHERS), max_size=4))
def test_of_any_tree_the_classes_are_right_or_the_run_stops_and_nothing_is_dropped(
    tmp_path_factory: pytest.TempPathFactory, folders: set[str], others: set[tuple[str, str]]
) -> None:
    files = pictures(sorted(folders)) | {f"{folder}/{name}": b"x" for folder, name in others}
    files = {path.removeprefix("/"): content for path, content in files.items()}
    index_without_dropping_or_mislabelling(make_folder(tmp_path_factory.mktemp("tree"), files))


@examples(10, 40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    wrappers=st.lists(st.sampled_from(["Data", "download", "images", "ct scans"]), max_size=3),
    splits=st.sampled_from([(), ("train", "test"), ("Training", "Validation", "Testing"), ("train_set", "test_set")]),
    classes=st.sets(
        st.sampled_from(["normal", "tumour", "Bengin cases", "COVID-19", "large_cell", "0", "1"]),
        min_size=2,
        max_size=4,
    ),
    inner=st.sampled_from([(), ("images",), ("images", "masks")]),
    extra=st.sets(st.sampled_from(["labels.csv", "README.md", ".DS_Store.txt"]), max_size=2),
)
def test_of_any_usual_tree_the_classes_are_right(
    tmp_path_factory: pytest.TempPathFactory,
    wrappers: list[str],
    splits: tuple[str, ...],
    classes: set[str],
    inner: tuple[str, ...],
    extra: set[str],
) -> None:
    folders = ["/".join([*wrappers, *split, label, *kind])
               for split in ([(one,) for one in splits] or [()])
               for label in sorted(classes)
               for kind in ([(one,) for one in inner] or [()])]  # fmt: skip
    files = pictures(folders) | {"/".join([*wrappers, name]): b"x" for name in extra}
    folder = make_folder(tmp_path_factory.mktemp("tree"), files)

    index = index_without_dropping_or_mislabelling(folder)

    assert index is not None
    assert set(index["label"]) == classes
    assert index["source_split"].notna().all() == bool(splits)
    assert len(index) == 3 * len(classes) * max(len(splits), 1)


# --- beside the slices -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", ["{}_mask.png", "{}-Mask.tif", "{}_mask_1.png", "{}_lung_mask.png", "{} seg.png"])
def test_masks_beside_their_images_are_left_out_and_it_is_said(index: Index, mask: str) -> None:
    images = pictures(["normal", "tumour"])
    name = f"tumour/{mask.format(1)}"

    found = index(images | {name: picture(99)})

    assert set(found["labels"]) == set(images)
    reason = "by its name the mask of `tumour/1.png`, which lies beside it; if it is a slice, rename it"
    assert found["quarantine"] == {name: reason}
    assert f"1 masks by their names were left out, such as `{name}` beside `tumour/1.png`." in found["notes"]


def test_the_mask_of_an_image_with_a_word_at_its_end_is_found(index: Index) -> None:
    images = pictures(["normal", "tumour"]) | {"tumour/9_ct.png": picture(98)}

    found = index(images | {"tumour/9_ct_mask.png": picture(99)})

    assert set(found["labels"]) == set(images)


def test_what_is_called_like_a_mask_of_no_image_is_an_image(index: Index) -> None:
    images = pictures(["normal", "tumour"]) | {"tumour/case_mask.png": picture(99), "tumour/1_lung.png": picture(98)}

    assert set(index(images)["labels"]) == set(images)


@pytest.mark.parametrize("shown", [0, 1, 255])
def test_an_empty_picture_and_a_mask_are_no_slices(index: Index, shown: int) -> None:
    pixels = np.zeros((64, 64), np.uint8)
    pixels[20:30, 20:30] = shown
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")

    found = index(pictures(["normal", "tumour"]) | {"tumour/other.png": buffer.getvalue()})

    assert found["quarantine"] == {
        "tumour/other.png": "only one or two different values, as in an empty picture or a mask: expected a slice"
    }
