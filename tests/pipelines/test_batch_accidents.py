"""A batch in which something goes wrong: names, rights and disks, and files that come and go meanwhile."""

import errno
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from kedro.io import DatasetError
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from batch_run import KEY, make_table
from chest_cancer.datasets.image_files_dataset import ImageFilesDataset
from chest_cancer.parameters.blocks import BatchInferenceParameters
from chest_cancer.pipelines.batch_inference import nodes
from chest_cancer.pipelines.batch_inference.nodes import describe_inference_source
from chest_cancer.pipelines.batch_inference.patients import gather_patients, gather_studies
from chest_cancer.pipelines.batch_inference.summary import draw_gallery, list_predictions, sum_up_batch
from chest_cancer.sources.file_reader import PROCESS_ENDED, FileReader
from chest_cancer.sources.identifiers import keyed_hash
from chest_cancer.sources.image_files import SourceFile
from chest_cancer.storage.place import Place
from chest_cancer.storage.table_parts import TableParts
from conftest import Pixels
from dicom_files import dicom
from manifests import PATIENT_RULE
from tiny_classifier import tiny_classifier
from volume_files import enhanced, heights, nifti, stack


@pytest.fixture(autouse=True)
def threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the place of processes, which take a second to begin; test_batch_kill.py has these."""
    monkeypatch.setattr(nodes, "Processes", lambda count, preload: ThreadPoolExecutor(count))


@pytest.fixture
def save(tmp_path: Path, picture: Callable[..., Pixels]) -> Callable[..., Path]:
    """Save a picture under a name, which may be of bytes."""

    def save_picture(name: str | bytes, number: int = 0, side: int = 40) -> Path:
        path = tmp_path / "source" / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            Image.fromarray(picture(number, side, side)).save(file, format="PNG")
        return path

    return save_picture


def rows_of(parts: TableParts) -> pd.DataFrame:
    return pd.concat(list(parts)).set_index("path").sort_index()


def times(parts: TableParts) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in Path(parts.place.address).glob("*.parquet")}


@contextmanager
def disk_without(name: str) -> Iterator[None]:
    """A disk that lists a file and does not give it."""
    real = os.open

    def refusing(path: Any, *arguments: Any, **named: Any) -> int:
        if os.fsdecode(path).endswith(name):
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return real(path, *arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", refusing)
        yield


def test_files_whose_names_are_no_text_have_a_row_each_and_hide_none(save: Callable[..., Path], tmp_path: Path) -> None:
    for number, name in enumerate((b"\xfe.png", b"\xff.png", b"?.png")):
        save(name, number)

    rows = rows_of(make_table(tmp_path / "source", tmp_path))

    assert rows.index.tolist() == ["?.png", "\\udcfe.png", "\\udcff.png"]
    assert rows["label"].notna().tolist() == [True, False, False]
    assert set(rows["reason"].dropna()) == {"name is not valid Unicode"}


def test_a_file_that_an_archive_has_twice_is_answered_and_told(save: Callable[..., Path], tmp_path: Path) -> None:
    picture = save("a.png").read_bytes()
    with zipfile.ZipFile(tmp_path / "source.zip", "w") as archive:
        archive.writestr("a.png", picture)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.png", picture)

    rows = rows_of(make_table(tmp_path / "source.zip", tmp_path))

    assert rows.index.tolist() == ["a.png"] * 2
    assert sorted(rows["label"].notna()) == [False, True]
    assert rows["reason"].dropna().tolist() == ["name is taken by another file or folder"]


def test_a_first_share_that_has_nothing_to_make_ends_well(save: Callable[..., Path], tmp_path: Path) -> None:
    trained = tiny_classifier(patient_rule=PATIENT_RULE)
    save("a.png")
    without = [number for number in range(1, 5) if not times(share(tmp_path, number))]

    parts = share(tmp_path, without[0])
    patients, studies = gather_patients(parts, trained), gather_studies(parts, trained)
    facts = sum_up_batch(parts, patients, studies, {"source": "here", "synthetic": False, "files": 1, "parts": 1})
    images = ImageFilesDataset(filepath=str(tmp_path / str(without[0]) / "images")).load()
    page = draw_gallery(images, parts, trained, facts, BatchInferenceParameters(), KEY)

    assert len(without) == 3
    assert list_predictions(parts).columns.empty
    assert (facts["rows"], facts["parts_done"]) == (0, 0)
    assert "0 of 1 parts" in page


def share(tmp_path: Path, number: int) -> TableParts:
    return make_table(tmp_path / "source", tmp_path / str(number), f"{number}/4")


def test_a_file_that_goes_while_the_folder_is_listed_ends_no_run(
    save: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save("a.png")
    going = save("b.png", 1)
    real = os.scandir

    def scan(path: Any) -> Any:
        if Path(path) != going.parent:
            return real(path)
        found = list(real(path))
        going.unlink(missing_ok=True)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", scan)
        first = rows_of(make_table(tmp_path / "source", tmp_path))
    second = rows_of(make_table(tmp_path / "source", tmp_path))

    assert first.loc["b.png", "reason"] == "can't be looked at: No such file or directory"
    assert second.index.tolist() == ["a.png"]


def test_a_source_that_can_not_be_opened_removes_no_part(save: Callable[..., Path], tmp_path: Path) -> None:
    save("a.png")
    before = times(make_table(tmp_path / "source", tmp_path))
    images = ImageFilesDataset(filepath=str(tmp_path / "images"))
    (tmp_path / "source").rename(tmp_path / "elsewhere")  # as where a disk is not mounted

    with pytest.raises(DatasetError, match=r"Could not open .*/source: No such file or directory.*Mount it"):
        images.load()
    (tmp_path / "elsewhere").rename(tmp_path / "source")
    assert times(make_table(tmp_path / "source", tmp_path)) == before


def test_what_a_disk_did_not_give_is_read_by_the_next_run_and_nothing_else_is(
    save: Callable[..., Path], tmp_path: Path
) -> None:
    for number in range(20):
        save(f"{number:02}.png", number)
    whole = make_table(tmp_path / "source", tmp_path / "whole")
    with disk_without("07.png"):
        first = make_table(tmp_path / "source", tmp_path)
        told, made = rows_of(first)["reason"].dropna(), times(first)
        again = times(make_table(tmp_path / "source", tmp_path))

    healed = make_table(tmp_path / "source", tmp_path)

    assert told.to_dict() == {"07.png": "can't be read: Input/output error"}
    assert sum(made[name] != again[name] for name in made) == 1
    assert sum(again[name] != times(healed)[name] for name in made) == 1
    pd.testing.assert_frame_equal(rows_of(healed), rows_of(whole))
    assert times(make_table(tmp_path / "source", tmp_path)) == times(healed)


def test_another_share_leaves_alone_what_a_disk_did_not_give(save: Callable[..., Path], tmp_path: Path) -> None:
    for number in range(20):
        save(f"{number:02}.png", number)
    with disk_without("07.png"):
        made = times(make_table(tmp_path / "source", tmp_path))
        changed = set()
        for number in range(1, 17):
            now = times(make_table(tmp_path / "source", tmp_path, f"{number}/16"))
            changed |= {(name, time) for name, time in now.items() if time != made[name]}

    assert len(changed) == 1  # by the share that it belongs to


@pytest.mark.parametrize(
    ("reason", "is_made_again"),
    [
        (PROCESS_ENDED, True),
        ("the decoder of the DICOM transfer syntax JPEG-LS is not installed; install chest_cancer[dicom]", True),
        ("the file is empty; expected PNG", False),
    ],
)
def test_what_this_machine_could_not_read_is_tried_again(
    save: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str, is_made_again: bool
) -> None:
    save("a.png")
    with monkeypatch.context() as patch:
        patch.setattr(FileReader, "__call__", lambda reader, file: [reader._without_image(file, reason)])
        made = make_table(tmp_path / "source", tmp_path)
        assert rows_of(made)["reason"].tolist() == [reason]

    row = rows_of(make_table(tmp_path / "source", tmp_path)).loc["a.png"]

    assert pd.notna(row["label"]) == is_made_again


def test_a_folder_that_answers_nothing_ends_the_run_with_the_cure(
    save: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where what mounts a folder of another machine (sshfs) has ended."""
    picture = save("a.png")
    reader = FileReader(KEY, "auto", None, tmp_path / "source")  # type: ignore[arg-type]  # nothing is prepared
    file = SourceFile("a.png", str(picture), 1, "")

    def lost(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", lost)
        patch.setattr(os, "stat", lost)
        with pytest.raises(ConnectionError, match=r"can't be reached from .*Mount it there"):
            reader(file)


def test_a_source_of_nothing_but_bad_files_gives_rows_and_a_page(tmp_path: Path) -> None:
    trained = tiny_classifier(patient_rule=PATIENT_RULE)
    (tmp_path / "source").mkdir()
    for number in range(40):
        (tmp_path / "source" / f"{number:02}.txt").write_bytes(b"" if number % 2 else b"no picture")

    parts = make_table(tmp_path / "source", tmp_path)
    patients, studies = gather_patients(parts, trained), gather_studies(parts, trained)
    work = {"source": "here", "synthetic": False, "files": 40, "parts": len(parts)}
    facts = sum_up_batch(parts, patients, studies, work)
    images = ImageFilesDataset(filepath=str(tmp_path / "images")).load()
    page = draw_gallery(images, parts, trained, facts, BatchInferenceParameters(), KEY)

    assert facts["unreadable"] == facts["rows"] == 40
    assert "No image could be answered." in page


@pytest.mark.parametrize("name", ["doe.nii", "doe.dcm"])
def test_patients_of_volumes_are_read_off_the_paths_of_their_slices_in_one_part(tmp_path: Path, name: str) -> None:
    for ward in range(6):
        folder = tmp_path / "source" / f"ward_{ward}"
        folder.mkdir(parents=True)
        several = nifti(stack(2)) if name == "doe.nii" else enhanced(stack(2), heights(2), StudyInstanceUID=f"1.{ward}")
        (folder / name).write_bytes(several)

    parts = make_table(tmp_path / "source", tmp_path, patient=r"(?P<patient>\w+)\.\w+/slice_\d+\.dcm$")

    assert len(parts) == 1
    assert set(rows_of(parts)["patient"]) == {keyed_hash(KEY, "patient", "doe")}


def test_a_file_of_several_frames_that_is_refused_is_in_the_part_of_its_patient(tmp_path: Path) -> None:
    for ward in range(6):
        folder = tmp_path / "source" / f"ward_{ward}"
        folder.mkdir(parents=True)
        # All but the first say nothing of where their frames lie.
        frames = {"NumberOfFrames": 2} if ward else {}
        (folder / "doe.dcm").write_bytes(dicom(**frames, StudyInstanceUID=f"1.{ward}"))

    parts = make_table(tmp_path / "source", tmp_path, patient=r"(?P<patient>\w+)\.dcm$")

    assert len(rows_of(parts)) == 6
    in_parts = [set(part["patient"]) for part in parts]
    assert sum(map(len, in_parts)) == len(set.union(*in_parts))


def test_a_patient_who_is_named_behind_a_long_sequence_is_in_one_part(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    long = Sequence([Dataset() for _ in range(1000)])
    for item in long:
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1." * 30 + "1"
        item.is_undefined_length_sequence_item = True
    for number in range(12):
        slice_ = dcmread(BytesIO(dicom(PatientID=f"patient {number % 2}", StudyInstanceUID=f"1.{number}")))
        slice_.ReferencedImageSequence = long
        slice_["ReferencedImageSequence"].is_undefined_length = True
        slice_.save_as(source / f"{number:02}.dcm")

    parts = make_table(source, tmp_path)

    assert len(parts) == 2
    assert [len(part) for part in parts] == [6, 6]
    assert len(set(rows_of(parts)["patient"])) == 2


@pytest.mark.parametrize("packed", [False, True])
def test_a_source_beyond_the_limits_is_refused_by_the_name_of_the_limit_that_lets_it_in(
    save: Callable[..., Path], tmp_path: Path, packed: bool
) -> None:
    for number in range(3):
        save(f"{number}.png", number)
    source = tmp_path / "source"
    if packed:
        source = Path(shutil.make_archive(str(source), "zip", source))

    def bring(most: int) -> int:
        block = BatchInferenceParameters.model_validate({"source": str(source), "limits": {"max_files": most}})
        images = ImageFilesDataset(filepath=str(tmp_path / "images"))
        images.save(describe_inference_source(block, KEY))
        return len(images.load().files)

    with pytest.raises(DatasetError, match=r"exceeds `batch_inference\.limits\.max_files`\. Expected at most 2\. "):
        bring(2)
    assert bring(3) == 3


def test_small_images_are_answered_and_shown_where_the_limits_say_so(save: Callable[..., Path], tmp_path: Path) -> None:
    save("a.png", side=28)
    small = BatchInferenceParameters.model_validate({"limits": {"min_side": 16}})
    refused = rows_of(make_table(tmp_path / "source", tmp_path))["reason"].tolist()

    parts = make_table(tmp_path / "source", tmp_path, limits=small.limits)
    images = ImageFilesDataset(filepath=str(tmp_path / "images")).load()
    trained = tiny_classifier()
    facts = sum_up_batch(
        parts, gather_patients(parts, trained), gather_studies(parts, trained), {"files": 1, "parts": 1}
    )
    page = draw_gallery(images, parts, trained, facts | {"source": "here", "synthetic": False}, small, KEY)

    assert refused == ["28 x 28 pixels; expected at least 32 on each side"]
    assert rows_of(parts)["label"].notna().tolist() == [True]
    assert "a.png<br>" in page


def test_a_part_that_is_damaged_inside_is_named_with_the_cure(save: Callable[..., Path], tmp_path: Path) -> None:
    save("a.png")
    (part,) = Path(make_table(tmp_path / "source", tmp_path).place.address).glob("*.parquet")
    content = part.read_bytes()
    part.write_bytes(content[:4] + bytes(200) + content[204:])  # its footer is whole

    with pytest.raises(
        DatasetError, match=rf"Could not read .*{part.name}.* Delete it, and start the same command again"
    ):
        list(make_table(tmp_path / "source", tmp_path))


def test_a_bit_that_a_disk_has_changed_is_noticed(save: Callable[..., Path], tmp_path: Path) -> None:
    save("a.png")
    (part,) = Path(make_table(tmp_path / "source", tmp_path).place.address).glob("*.parquet")
    content = part.read_bytes()
    place = content.index(b"a.png") + 1  # of a value, not of what says how the file is built
    part.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])

    with pytest.raises(
        DatasetError, match=rf"Could not read .*{part.name}.*CRC.* Delete it, and start the same command"
    ):
        list(make_table(tmp_path / "source", tmp_path))


def test_a_disk_that_is_full_keeps_the_parts_that_are_whole_and_says_how_to_go_on(
    save: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        save(f"{number:02}.png", number)
    real, room = Place.write, 3

    def write(place: Place, name: str, content: bytes) -> None:
        nonlocal room
        room -= 1
        if room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(place, name, content)

    with monkeypatch.context() as patch:
        patch.setattr(Place, "write", write)
        with pytest.raises(DatasetError, match=r"The disk is full: .*Free some space.* the same command goes on"):
            make_table(tmp_path / "source", tmp_path)
    there = sorted(path.name for path in (tmp_path / "predictions").iterdir())

    assert len(there) == 3
    assert len(rows_of(make_table(tmp_path / "source", tmp_path))) == 20
