"""Sources into folders: phantoms and local folders, unchanged sources, full disks, killed and competing processes."""

import errno
import json
import logging
import os
import resource
import shutil
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kedro.io import DatasetError

from chest_cancer.datasets import image_folder_dataset
from chest_cancer.datasets.image_folder_dataset import ImageFolderDataset
from chest_cancer.imaging.phantoms.generate import generate_phantom
from chest_cancer.parameters.sources import PhantomParameters, SourceLimits
from chest_cancer.sources.image_source import ImageSource
from dicom_files import dicom

TWO = PhantomParameters(images=2)


def fill(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def content_of(folder: Path) -> dict[str, bytes | None]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "data" / "images"


@pytest.fixture
def dataset(target: Path) -> ImageFolderDataset:
    return ImageFolderDataset(filepath=str(target))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return fill(tmp_path / "source", {"normal/a.png": b"BM first", "adenocarcinoma/deep/b.png": b"BM second"})


def test_phantoms_come_with_a_mask_for_every_lesion(dataset: ImageFolderDataset) -> None:
    dataset.save(ImageSource(location="phantom", phantom=TWO))

    images = dataset.load()
    assert images.source.synthetic
    assert images.source.location == "phantom"
    assert images.folders == ("adenocarcinoma", "normal")
    assert len(images.paths) == images.source.files == 2
    for path in images.paths:
        mask = images.lesion_mask(path)
        assert mask is not None
        assert mask.dtype == np.bool_
        assert mask.any() == path.startswith("adenocarcinoma/")


def test_phantoms_are_named_by_patient_and_slice(dataset: ImageFolderDataset) -> None:
    wanted = PhantomParameters(images=6, slices_per_patient=(2, 2), patient_signature=0.5)
    dataset.save(ImageSource(location="phantom", phantom=wanted, seed=5))

    images = dataset.load()
    assert images.paths == (
        "adenocarcinoma/patient_0001_slice_0.png",
        "adenocarcinoma/patient_0001_slice_1.png",
        "adenocarcinoma/patient_0003_slice_0.png",
        "normal/patient_0000_slice_0.png",
        "normal/patient_0000_slice_1.png",
        "normal/patient_0002_slice_0.png",
    )
    drawn = generate_phantom("adenocarcinoma", 5, 1, 1, 0.5)
    np.testing.assert_array_equal(images.pixels(images.paths[1])[..., 0], drawn.image)


def test_phantoms_depend_on_their_seed_and_on_nothing_else(tmp_path: Path) -> None:
    def generate(name: str, seed: int) -> dict[str, bytes | None]:
        dataset = ImageFolderDataset(filepath=str(tmp_path / name))
        dataset.save(ImageSource(location="phantom", phantom=PhantomParameters(images=2), seed=seed))
        return content_of(tmp_path / name)

    first = generate("first", 1)
    assert generate("again", 1) == first
    assert generate("other", 2) != first


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 18},
        {"phantom": PhantomParameters(images=3)},
        {"phantom": PhantomParameters(images=2, patient_signature=0.5)},
        {"limits": SourceLimits(max_files=10)},
    ],
)
def test_phantoms_are_made_again_only_after_a_change(
    dataset: ImageFolderDataset, target: Path, change: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chest_cancer")
    options = {"location": "phantom", "phantom": TWO}
    dataset.save(ImageSource(**options))
    made = target.stat().st_ino

    dataset.save(ImageSource(**options))
    assert target.stat().st_ino == made
    assert "up to date: nothing to do" in caplog.text

    dataset.save(ImageSource(**{**options, **change}))
    assert target.stat().st_ino != made


def test_a_new_phantom_version_makes_them_again(
    dataset: ImageFolderDataset, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset.save(ImageSource(location="phantom", phantom=TWO))
    made = target.stat().st_ino
    monkeypatch.setattr(image_folder_dataset, "PHANTOM_VERSION", 10_000)
    dataset.save(ImageSource(location="phantom", phantom=TWO))
    assert target.stat().st_ino != made


def test_a_folder_is_copied_with_its_empty_folders(dataset: ImageFolderDataset, folder: Path) -> None:
    (folder / "squamous").mkdir()

    dataset.save(ImageSource(location=str(folder)))

    images = dataset.load()
    assert images.paths == ("adenocarcinoma/deep/b.png", "normal/a.png")
    assert images.folders == ("adenocarcinoma", "adenocarcinoma/deep", "normal", "squamous")
    assert images.read("normal/a.png") == b"BM first"
    assert images.lesion_mask("normal/a.png") is None
    assert not images.source.synthetic
    assert images.refused == ()


def test_a_flat_folder_needs_no_classes(dataset: ImageFolderDataset, tmp_path: Path) -> None:
    dataset.save(ImageSource(location=str(fill(tmp_path / "flat", {"a.png": b"BM 1", "b.png": b"BM 2"}))))
    assert dataset.load().paths == ("a.png", "b.png")


def test_links_and_special_files_of_a_folder_are_refused(
    dataset: ImageFolderDataset, folder: Path, tmp_path: Path
) -> None:
    secret = fill(tmp_path / "elsewhere", {"secret.png": b"BM secret"}) / "secret.png"
    (folder / "normal" / "link.png").symlink_to(secret)
    (folder / "normal" / "gone.png").symlink_to(folder / "normal" / "nothing.png")
    (folder / "linked").symlink_to(folder / "normal")
    os.mkfifo(folder / "normal" / "pipe.png")
    fill(folder, {".git/config": b"x", "normal/.DS_Store": b"x", "normal/back\\slash.png": b"x"})

    dataset.save(ImageSource(location=str(folder)))

    assert dict(dataset.load().refused) == {
        ".git": "system or hidden file",
        "linked": "folder is a symbolic link: put the folder itself in its place",
        "normal/.DS_Store": "system or hidden file",
        "normal/back\\slash.png": "backslash in its name",
        "normal/gone.png": "link to a file that is not there: `dvc pull`, `git annex get` or downloading "
        "the data again brings it",
        "normal/link.png": "symbolic link that leads out of the source: put the file itself in its place",
        "normal/pipe.png": "special file",
    }
    assert len(dataset.load().paths) == 2


@pytest.mark.parametrize(
    "kept",
    [
        "source/normal/a.png",
        "cache/files/md5/ab/" + 30 * "c",
        "source/.dvc/cache/files/md5/ab/" + 30 * "c",
        "repo/.dvc/cache/ab/" + 30 * "c",
        "hub/datasets--owner--ct/blobs/" + 64 * "d",
        "repo/.git/annex/objects/aa/bb/key/key.png",
    ],
)
def test_links_into_the_source_or_a_cache_are_followed(
    dataset: ImageFolderDataset, folder: Path, tmp_path: Path, kept: str
) -> None:
    (tmp_path / kept).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / kept).write_bytes(b"BM kept")
    (folder / "normal" / "link.png").symlink_to(tmp_path / kept)

    dataset.save(ImageSource(location=str(folder)))

    assert dataset.load().read("normal/link.png") == b"BM kept"
    assert [path for path, _ in dataset.load().refused if path != ".dvc"] == []


def test_a_link_to_what_only_looks_like_a_cache_is_refused(
    dataset: ImageFolderDataset, folder: Path, tmp_path: Path
) -> None:
    fill(tmp_path, {"files/md5/passwd": b"BM secret", "home/cache/ab/key.png": b"BM secret"})
    (folder / "normal" / "1.png").symlink_to(tmp_path / "files/md5/passwd")
    (folder / "normal" / "2.png").symlink_to(tmp_path / "home/cache/ab/key.png")

    dataset.save(ImageSource(location=str(folder)))

    assert [path for path, _ in dataset.load().refused] == ["normal/1.png", "normal/2.png"]


def test_a_changed_target_of_a_link_is_brought_again(dataset: ImageFolderDataset, folder: Path, tmp_path: Path) -> None:
    cached = tmp_path / "files" / "md5" / "ab" / (30 * "c")
    fill(cached.parent, {cached.name: b"BM old"})
    (folder / "normal" / "link.png").symlink_to(cached)
    dataset.save(ImageSource(location=str(folder)))

    cached.write_bytes(b"BM other")
    dataset.save(ImageSource(location=str(folder)))

    assert dataset.load().read("normal/link.png") == b"BM other"


@pytest.mark.parametrize(
    ("name", "content"),
    [("slice.png", b"\x89PNG\r\n\x1a\n"), ("IM0001", dicom()), ("slice.jp2", b"\xff\x4f\xff\x51")],
)
def test_a_single_image_is_a_source_of_one_file(
    dataset: ImageFolderDataset, tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    dataset.save(ImageSource(location=str(tmp_path / name), parameter="batch_inference.source"))
    assert dataset.load().paths == (name,)
    assert dataset.load().refused == ()


def test_errors_name_the_parameters_of_the_block_that_a_source_belongs_to(
    dataset: ImageFolderDataset, folder: Path, tmp_path: Path
) -> None:
    theirs = {"location": str(folder), "parameter": "external_validation.source"}
    with pytest.raises(DatasetError, match=r"exceeds `external_validation\.limits\.max_files`"):
        dataset.save(ImageSource(**theirs, limits=SourceLimits(max_files=1)))

    archive = shutil.make_archive(str(folder), "zip", folder)
    with pytest.raises(DatasetError, match=r"Expected `external_validation\.sha256`: 00"):
        dataset.save(ImageSource(**theirs | {"location": archive}, sha256="0" * 64))

    Path(archive).rename(tmp_path / "labels.xlsx")
    with pytest.raises(DatasetError, match=r"name it in `data_ingestion\.table\.path`"):  # a batch has no table
        dataset.save(ImageSource(location=str(tmp_path / "labels.xlsx"), parameter="batch_inference.source"))


def test_names_that_are_no_text_are_refused(dataset: ImageFolderDataset, folder: Path) -> None:
    try:
        (folder / "normal" / os.fsdecode(b"\xff.png")).write_bytes(b"BM")
    except OSError:
        pytest.skip("this file system allows Unicode names only")
    dataset.save(ImageSource(location=str(folder)))
    assert dataset.load().refused == (("normal/\\udcff.png", "name is not valid Unicode"),)


def test_a_folder_of_which_a_file_could_not_be_read_is_copied_again(
    dataset: ImageFolderDataset, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither another owner nor a disk that works again changes what a listing says of a file."""
    real = os.open

    def refusing(path: Any, *arguments: Any, **named: Any) -> int:
        if os.fsdecode(path) == str(folder / "normal" / "a.png"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return real(path, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refusing)
        dataset.save(ImageSource(location=str(folder)))
    before = dataset.load()
    dataset.save(ImageSource(location=str(folder)))

    assert before.refused == (("normal/a.png", "can't be read: Permission denied"),)
    assert dataset.load().paths == ("adenocarcinoma/deep/b.png", "normal/a.png")
    assert dataset.load().refused == ()


@pytest.mark.parametrize("change", ["content", "new file", "file lost from the copy"])
def test_a_folder_is_copied_again_only_after_a_change(
    dataset: ImageFolderDataset, folder: Path, target: Path, change: str
) -> None:
    source = ImageSource(location=str(folder))
    dataset.save(source)
    made = target.stat().st_ino
    dataset.save(source)
    assert target.stat().st_ino == made

    if change == "content":
        fill(folder, {"normal/a.png": b"BM other"})
        os.utime(folder / "normal" / "a.png", ns=(1, 1))
    elif change == "new file":
        fill(folder, {"normal/new.png": b"BM new"})
    else:
        (target / "normal" / "a.png").unlink()
    dataset.save(source)

    assert {path: dataset.load().read(path) for path in dataset.load().paths} == {
        path: (folder / path).read_bytes() for path in dataset.load().paths
    }
    assert len(dataset.load().paths) == (3 if change == "new file" else 2)


@pytest.mark.parametrize("limits", [{"max_files": 1}, {"max_total_bytes": 5}])
def test_a_folder_over_a_limit_leaves_nothing(
    dataset: ImageFolderDataset, folder: Path, target: Path, limits: dict[str, int]
) -> None:
    with pytest.raises(DatasetError, match=r"exceeds `data_ingestion\.limits\.max_"):
        dataset.save(ImageSource(location=str(folder), limits=SourceLimits(**limits)))
    assert [path.name for path in target.parent.iterdir()] == [".images.lock"]


@pytest.mark.parametrize(
    "location",
    [
        "does/not/exist.zip",
        "http://example.org/ct.zip",
        "s3://bucket/ct.zip",
        "gdrive:",
        "gdrive:with spaces in it",
        "https://drive.google.com/drive/folders/1z0mreUtRmR-P-magILsDR3T7M6IkGXtY",
        "https://",
        "http://[::1/ct.zip",
    ],
)
def test_a_source_that_is_none_names_the_parameter_and_what_was_expected(location: str) -> None:
    with pytest.raises(
        ValueError, match=r"received for `data_ingestion\.source`. Expected `phantom`, .* Received: "
    ) as error:
        ImageSource(location=location)
    assert repr(location) in str(error.value)


def test_a_refused_source_does_not_show_its_credentials() -> None:
    with pytest.raises(ValueError, match=r"Received: 'ftp://example\.org/ct\.zip'"):
        ImageSource(location="ftp://user:secret@example.org/ct.zip?token=secret")


@pytest.mark.parametrize("location", ["http://localhost:8000/ct.zip", "http://[::1]/ct.zip", "https://example.org/x"])
def test_plain_http_is_for_this_machine_only(location: str) -> None:
    assert ImageSource(location=location).kind == "https"


def test_a_wrong_checksum_of_a_local_archive_leaves_the_archive_alone(
    dataset: ImageFolderDataset, tmp_path: Path
) -> None:
    archive = tmp_path / "ct.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("normal/a.png", b"BM first")
    with pytest.raises(
        DatasetError, match=f"Wrong checksum of {archive}. Expected `data_ingestion.sha256`: {'0' * 64}"
    ):
        dataset.save(ImageSource(location=str(archive), sha256="0" * 64))
    assert archive.exists()


def test_loading_before_saving_says_what_to_run(dataset: ImageFolderDataset) -> None:
    assert not dataset.exists()
    with pytest.raises(DatasetError, match="Run `kedro run --pipelines data_ingestion` first"):
        dataset.load()


def test_a_folder_made_by_somebody_else_is_not_replaced(
    dataset: ImageFolderDataset, folder: Path, target: Path
) -> None:
    fill(target, {"normal/mine.png": b"BM mine"})
    with pytest.raises(
        DatasetError, match=r"was not made by data_ingestion.*pass data_ingestion.source=<its new path>"
    ):
        dataset.save(ImageSource(location=str(folder)))
    assert (target / "normal" / "mine.png").exists()


@pytest.mark.parametrize("place", ["images", "images/normal", "."])
def test_a_source_that_overlaps_the_target_is_rejected(
    dataset: ImageFolderDataset, folder: Path, target: Path, place: str
) -> None:
    dataset.save(ImageSource(location=str(folder)))
    before = content_of(target)
    with pytest.raises(DatasetError, match="Expected an archive or folder apart from"):
        dataset.save(ImageSource(location=str(target.parent / place)))
    assert content_of(target) == before


def test_files_are_read_inside_of_the_folder_only(dataset: ImageFolderDataset, folder: Path) -> None:
    dataset.save(ImageSource(location=str(folder)))
    with pytest.raises(ValueError, match="Invalid value received for argument `path`"):
        dataset.load().read("../../source/normal/a.png")


def test_a_damaged_record_makes_the_folder_anew(dataset: ImageFolderDataset, folder: Path, target: Path) -> None:
    dataset.save(ImageSource(location=str(folder)))
    (target / ".source.json").write_text("{")
    dataset.save(ImageSource(location=str(folder)))
    assert json.loads((target / ".source.json").read_text())["files"] == 2


@pytest.mark.parametrize("kind", ["zip", "folder"])
def test_a_disk_that_is_full_leaves_the_former_images(
    dataset: ImageFolderDataset, folder: Path, target: Path, tmp_path: Path, kind: str
) -> None:
    dataset.save(ImageSource(location=str(folder)))
    before = content_of(target.parent)
    large = fill(tmp_path / "large", {"normal/a.png": b"BM first", "normal/b.png": b"BM" + bytes(200_000)})
    if kind == "zip":
        with zipfile.ZipFile(tmp_path / "large.zip", "w") as archive:
            archive.write(large / "normal" / "a.png", "normal/a.png")
            archive.write(large / "normal" / "b.png", "normal/b.png")
        large = tmp_path / "large.zip"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))  # the kernel refuses to write more
    try:
        with pytest.raises(DatasetError, match=r"The disk is full: .*Free some space.*former images in .* unchanged"):
            dataset.save(ImageSource(location=str(large)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert content_of(target.parent) == before


def test_other_errors_of_the_disk_are_not_called_full(
    dataset: ImageFolderDataset, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(DatasetError, match="Input/output error") as caught:
        dataset.save(ImageSource(location=str(folder)))
    assert "full" not in str(caught.value)


SETUP = """
    import os, signal, sys
    from pathlib import Path
    from chest_cancer.datasets.image_folder_dataset import ImageFolderDataset
    from chest_cancer.sources.image_source import ImageSource
    from chest_cancer.storage.recoverable_folder import RecoverableFolder
    base = Path(sys.argv[1])
    dataset = ImageFolderDataset(filepath=str(base / "data" / "images"))
    old, new = ImageSource(location=str(base / "old.zip")), ImageSource(location=str(base / "new.zip"))

    def content():
        images = dataset.load()
        return {path: images.read(path) for path in images.paths}

    def in_child(work):
        child = os.fork()
        if child == 0:
            try:
                work()
                os._exit(0)
            except BaseException as error:
                print(repr(error), file=sys.stderr, flush=True)
                os._exit(1)
        return child

    def outcome(child):
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    dataset.save(new)
    whole_new = content()
    dataset.save(old)
    whole_old = content()
"""
KILL_AT_EVERY_STEP = """
    def save_and_die_at(step):
        left = step

        def count(event, arguments):
            nonlocal left
            if event in EVENTS:
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        dataset.save(new)

    EVENTS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.scandir", "os.listdir", "shutil.rmtree"}
    step, seen = 0, set()
    while True:
        step += 1
        status = outcome(in_child(lambda: save_and_die_at(step)))
        assert status in (0, -signal.SIGKILL), status
        found = content()
        assert found in (whole_old, whole_new), (step, found)
        seen.add(found == whole_new)
        dataset.save(new)
        assert content() == whole_new, step
        left_over = sorted(path.name for path in (base / "data").iterdir())
        assert left_over == [".images.lock", "images"], (step, left_over)
        if status == 0:
            break
        dataset.save(old)
    assert seen == {True, False}
    print(step)
"""
TWO_AT_ONCE = """
    for _ in range(6):
        children = [in_child(lambda source=source: dataset.save(source)) for source in (old, new, old, new)]
        while children:
            with RecoverableFolder(base / "data" / "images").locked():  # or the folder changes between two files
                assert content() in (whole_old, whole_new)
            assert outcome(children.pop()) == 0
        assert content() in (whole_old, whole_new)
    print("whole")
"""


@pytest.fixture
def two_archives(tmp_path: Path) -> Path:
    for name in ("old", "new"):
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            for file in ("normal/a.png", "normal/b.png", "adenocarcinoma/c.png"):
                archive.writestr(file, f"BM {name} {file}")
    return tmp_path


def run_script(script: str, base: Path) -> str:
    code = textwrap.dedent(SETUP) + textwrap.dedent(script)
    done = subprocess.run([sys.executable, "-c", code, str(base)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_killed_at_any_step_it_leaves_old_or_new_images_and_the_next_run_is_clean(two_archives: Path) -> None:
    assert int(run_script(KILL_AT_EVERY_STEP, two_archives)) > 20


def test_processes_that_save_at_once_do_not_mix_their_images(two_archives: Path) -> None:
    assert run_script(TWO_AT_ONCE, two_archives) == "whole\n"
