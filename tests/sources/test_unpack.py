"""Archives that nobody vouches for, through the dataset that unpacks them."""

import io
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from kedro.io import DatasetError

from chest_cancer.datasets.image_folder_dataset import ImageFolderDataset
from chest_cancer.parameters.sources import SourceLimits
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.sources.image_source import ImageSource
from properties import examples

GOOD = {"normal/a.png": b"BM first", "adenocarcinoma/b.png": b"BM second"}
Take = Callable[..., ImageFolder]


def pack(members: dict[str | zipfile.ZipInfo, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content, compress_type=compression)
    return buffer.getvalue()


def member(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = mode << 16
    return info


@pytest.fixture
def take(tmp_path: Path) -> Take:
    """Save an archive of these bytes into a dataset; return what it holds then."""

    def take_archive(data: bytes, **limits: float) -> ImageFolder:
        archive = tmp_path / "source.zip"
        archive.write_bytes(data)
        dataset = ImageFolderDataset(filepath=str(tmp_path / "data" / "images"))
        dataset.save(ImageSource(location=str(archive), limits=SourceLimits(**limits)))
        return dataset.load()

    return take_archive


def files_of(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.name != ".images.lock")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../escaped.png", "path leads out of its folder (`..`)"),
        ("normal/../../../escaped.png", "path leads out of its folder (`..`)"),
        ("/var/escaped.png", "absolute path"),
        ("C:/escaped.png", "absolute path"),
        ("normal/new\nline.png", "control character in its name"),
        (f"normal/{'n' * 300}.png", "name is too long for the file system"),
        (f"normal/{'/'.join(['n' * 200] * 25)}.png", "name is too long for the file system"),
        (f"normal/{'n' * 300}/", "name is too long for the file system"),
        ("__MACOSX/normal/._a.png", "system or hidden file"),
        ("normal/@eaDir/a.png/SYNOPHOTO_THUMB_M.jpg", "system or hidden file"),
        ("normal/.DS_Store", "system or hidden file"),
        ("normal/Thumbs.db", "system or hidden file"),
        (".hidden/a.png", "system or hidden file"),
        ("./normal/a.png", "name is taken by another file or folder"),
        ("normal/a.png/inside.png", "name is taken by another file or folder"),
    ],
)
def test_a_member_with_an_unusable_name_is_refused_and_the_rest_taken(
    take: Take, tmp_path: Path, name: str, reason: str
) -> None:
    images = take(pack({**GOOD, name: b"x"}))

    assert images.refused == ((name, reason),)
    assert images.paths == ("adenocarcinoma/b.png", "normal/a.png")
    assert images.read("normal/a.png") == b"BM first"
    assert not list(tmp_path.rglob("*escaped*"))


def test_an_archive_of_powershell_5_is_read(take: Take) -> None:
    images = take(pack({"ct\\normal\\a.png": b"BM first", "ct\\b\\b.png": b"BM second", "ct\\empty\\": b""}))
    assert images.refused == ()
    assert images.paths == ("ct/b/b.png", "ct/normal/a.png")
    assert images.folders == ("ct", "ct/b", "ct/empty", "ct/normal")


@pytest.mark.parametrize(
    ("name", "refused", "reason"),
    [
        ("..\\escaped.png", "../escaped.png", "path leads out of its folder (`..`)"),
        ("normal\\..\\..\\escaped.png", "normal/../../escaped.png", "path leads out of its folder (`..`)"),
        ("\\\\server\\escaped.png", "//server/escaped.png", "absolute path"),
        ("C:\\escaped.png", "C:/escaped.png", "absolute path"),
        ("normal\\a.png", "normal/a.png", "name is taken by another file or folder"),
    ],
)
def test_backslashes_lead_nowhere_else_than_slashes_do(
    take: Take, tmp_path: Path, name: str, refused: str, reason: str
) -> None:
    images = take(pack({**GOOD, name: b"x"}))
    assert images.refused == ((refused, reason),)
    assert images.read("normal/a.png") == b"BM first"
    assert not list(tmp_path.rglob("*escaped*"))


@pytest.mark.parametrize(
    ("name", "content", "received"),
    [
        (
            "pneumonia.npz",
            pack({"train_images.npy": b"x"}),
            r"an array file \(\.npz\), which is not read: write each slice as",
        ),
        (
            "labels.csv",
            b"path,label\na.png,normal\n",
            r"a table \(\.csv\), no image.*name it in `data_ingestion\.table",
        ),
        ("labels.xlsx", pack({"xl/workbook.xml": b"x"}), r"a table \(\.xlsx\), no image"),
        ("ct.7z", b"7z\xbc\xaf\x27\x1c", r"a 7-Zip archive; unpack it and pass the images inside\."),
        ("ct.rar", b"Rar!\x1a\x07\x00", r"a RAR archive; unpack it and pass the images inside\."),
        (
            "ct.zip",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0",
            r"a Git LFS pointer, .*`git lfs pull`",
        ),
        ("ct.zip", b"<!DOCTYPE html><title>x</title>", "a web page; fetch the file itself again"),
    ],
)
def test_a_file_that_is_no_archive_of_images_is_named(tmp_path: Path, name: str, content: bytes, received: str) -> None:
    (tmp_path / name).write_bytes(content)
    dataset = ImageFolderDataset(filepath=str(tmp_path / "data" / "images"))
    with pytest.raises(DatasetError, match=rf"Expected a zip or tar archive\. Received {received}"):
        dataset.save(ImageSource(location=str(tmp_path / name)))


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        (member("normal/link.png", stat.S_IFLNK | 0o777), "symbolic link in an archive: pack the file itself"),
        (member("normal/device", stat.S_IFBLK | 0o666), "special file"),
        (member("normal/pipe", stat.S_IFIFO | 0o666), "special file"),
    ],
    ids=["link", "device", "pipe"],
)
def test_links_and_devices_are_refused(take: Take, info: zipfile.ZipInfo, reason: str) -> None:
    images = take(pack({**GOOD, info: b"/etc/passwd"}))
    assert images.refused == ((info.filename, reason),)
    assert len(images.paths) == 2


def test_encrypted_members_are_refused(take: Take) -> None:
    data = bytearray(pack(GOOD))
    first = data.index(b"PK\x01\x02")
    data[first + 8] |= 1
    data[data.index(b"PK\x03\x04") + 6] |= 1

    assert take(bytes(data)).refused == (("normal/a.png", "encrypted"),)


def test_a_bomb_is_refused_and_the_rest_taken(take: Take) -> None:
    images = take(pack({**GOOD, "normal/bomb.png": bytes(10_000_000)}))
    assert images.refused == (("normal/bomb.png", "unpacks to more than 200 times its size"),)
    assert images.source.bytes == len(b"BM firstBM second")


def test_a_bomb_that_hides_its_size_is_refused(take: Take) -> None:
    data = bytearray(pack({**GOOD, "normal/bomb.png": bytes(10_000_000)}))
    for header, offset in ((data.rindex(b"PK\x03\x04"), 22), (data.rindex(b"PK\x01\x02"), 24)):
        data[header + offset : header + offset + 4] = (1000).to_bytes(4, "little")

    images = take(bytes(data))

    assert images.refused == (("normal/bomb.png", "damaged in the archive: Bad CRC-32"),)
    assert images.source.bytes == len(b"BM firstBM second")


def test_a_member_larger_than_any_image_is_refused(take: Take) -> None:
    images = take(
        pack({**GOOD, "normal/large.png": b"BM" + bytes(70_000_000)}), max_pixels=10_000, max_compression_ratio=2000
    )
    assert images.refused[0][1].startswith("larger than 67108864 bytes")
    assert images.source.files == 2


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_member_is_refused_and_leaves_nothing(take: Take, compression: int) -> None:
    content = b"BM" + bytes(range(256)) * 40
    data = bytearray(pack({"normal/a.png": content, "adenocarcinoma/b.png": b"BM second"}, compression))
    middle = (30 + data.index(b"adenocarcinoma/b.png")) // 2
    data[middle] ^= 0xFF

    images = take(bytes(data))

    assert images.paths == ("adenocarcinoma/b.png",)
    assert [path for path, _ in images.refused] == ["normal/a.png"]
    assert images.refused[0][1].startswith("damaged in the archive: ")
    assert images.source.bytes == len(b"BM second")


def test_a_second_member_of_the_same_name_is_refused(take: Take) -> None:
    buffer = io.BytesIO(pack(GOOD))
    with zipfile.ZipFile(buffer, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("normal/a.png", b"BM third")

    images = take(buffer.getvalue())

    assert images.refused == (("normal/a.png", "name is taken by another file or folder"),)
    assert images.read("normal/a.png") == b"BM first"


def test_overlapping_members_are_refused(take: Take) -> None:
    data = pack({"normal/a.png": b"BM" + b"a" * 50, "normal/b.png": b"BM" + b"b" * 50}, zipfile.ZIP_STORED)
    second = data.rindex(b"PK\x01\x02")
    overlapping = data[: second + 42] + (10).to_bytes(4, "little") + data[second + 46 :]

    images = take(overlapping)

    assert not images.paths or images.paths == ("normal/a.png",)
    assert ("normal/b.png", "overlaps another file of the archive") in images.refused


def test_names_outside_ascii_are_kept_however_they_are_stored(take: Take) -> None:
    declared = pack({"normal/é.png": b"BM1", "Lungenkrebs/größe.png": b"BM2", "肺/图.png": b"BM3"})
    undeclared = declared
    for signature, offset in ((b"PK\x03\x04", 7), (b"PK\x01\x02", 9)):
        parts = undeclared.split(signature)
        undeclared = signature.join(
            [
                parts[0],
                *(part[: offset - 4] + bytes([part[offset - 4] & ~8]) + part[offset - 3 :] for part in parts[1:]),
            ]
        )
    assert undeclared != declared

    expected = ("Lungenkrebs/größe.png", "normal/é.png", "肺/图.png")
    assert take(declared).paths == expected
    assert take(undeclared).paths == expected


def test_empty_folders_are_known(take: Take) -> None:
    assert take(pack({**GOOD, "squamous/": b""})).folders == ("adenocarcinoma", "normal", "squamous")


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"this is no archive",
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data.replace(b"PK\x01\x02", b"PK\xff\xff"),
    ],
    ids=["text", "empty", "truncated", "corrupt directory"],
)
def test_a_broken_archive_leaves_the_former_images_alone(
    take: Take, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    take(pack(GOOD))
    before = files_of(tmp_path)

    with pytest.raises(
        DatasetError, match=r"Can't unpack .*source\.zip\. Expected a zip or tar archive.*make the archive again"
    ):
        take(damage(pack(GOOD)))

    assert files_of(tmp_path) == before


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"max_files": 1}, r"exceeds `data_ingestion.limits.max_files`. Expected at most 1. Received: 2 or more"),
        (
            {"max_total_bytes": 16},
            r"`data_ingestion.limits.max_total_bytes`. Expected at most 16. Received: 17 or more",
        ),
    ],
)
def test_an_archive_over_a_limit_leaves_nothing(
    take: Take, tmp_path: Path, limits: dict[str, int], message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        take(pack(GOOD), **limits)
    assert files_of(tmp_path) == ["data", "source.zip"]


def test_an_archive_that_does_not_fit_is_not_begun(take: Take, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10))
    with pytest.raises(DatasetError, match=r"Not enough space for .*unpacks to 17 bytes, 10 are free"):
        take(pack(GOOD))
    assert files_of(tmp_path) == ["data", "source.zip"]


@examples(40, 300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(st.integers(0, len(pack(GOOD)) - 1), st.integers(0, 255), min_size=1, max_size=6))
def test_no_change_of_bytes_makes_it_crash_or_escape(take: Take, tmp_path: Path, changes: dict[int, int]) -> None:
    data = bytearray(pack(GOOD))
    for position, value in changes.items():
        data[position] = value
    try:
        images = take(bytes(data))
    except DatasetError as error:
        assert "Can't unpack" in str(error)  # noqa: PT017  # it need not be raised
    else:
        assert len(images.paths) == images.source.files
    assert {path.name for path in tmp_path.iterdir()} == {"data", "source.zip"}
    assert {path.name for path in (tmp_path / "data").iterdir()} <= {"images", ".images.lock"}
