"""Tar archives that nobody vouches for, through the dataset that unpacks them."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from kedro.io import DatasetError

from chest_cancer.datasets.image_folder_dataset import ImageFolderDataset
from chest_cancer.parameters.sources import SourceLimits
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.sources.image_source import ImageSource
from properties import examples

GOOD = {"ct/normal/a.png": b"BM first", "ct/adenocarcinoma/b.png": b"BM second"}
Take = Callable[..., ImageFolder]


def pack(members: dict[str, bytes], mode: str = "w:gz", others: tuple[tarfile.TarInfo, ...] = ()) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info in others:
            archive.addfile(info)
    return buffer.getvalue()


def other(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.fixture
def take(tmp_path: Path) -> Take:
    """Save an archive of these bytes into a dataset; return what it holds then."""

    def take_archive(data: bytes, **limits: float) -> ImageFolder:
        archive = tmp_path / "source.tar.gz"
        archive.write_bytes(data)
        dataset = ImageFolderDataset(filepath=str(tmp_path / "data" / "images"))
        dataset.save(ImageSource(location=str(archive), limits=SourceLimits(**limits)))
        return dataset.load()

    return take_archive


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_is_read_however_it_is_packed(take: Take, mode: str) -> None:
    images = take(pack({f"./{name}": content for name, content in GOOD.items()}, mode))
    assert {path: images.read(path) for path in images.paths} == GOOD
    assert images.refused == ()


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        (other("ct/link.png", tarfile.SYMTYPE, "/etc/passwd"), "symbolic link in an archive: pack the file itself"),
        (other("ct/hard.png", tarfile.LNKTYPE, "ct/normal/a.png"), "hard link in an archive: pack the file itself"),
        (other("ct/pipe", tarfile.FIFOTYPE), "special file"),
        (other("ct/device", tarfile.BLKTYPE), "special file"),
        (other("../escaped.png", tarfile.REGTYPE), "path leads out of its folder (`..`)"),
        (other("/var/escaped.png", tarfile.REGTYPE), "absolute path"),
        (other("ct/normal/.DS_Store", tarfile.REGTYPE), "system or hidden file"),
        (other("ct/normal/a.png", tarfile.REGTYPE), "name is taken by another file or folder"),
    ],
    ids=lambda value: value.name if isinstance(value, tarfile.TarInfo) else "",
)
def test_what_is_unsafe_in_a_tar_is_refused_and_the_rest_taken(
    take: Take, tmp_path: Path, info: tarfile.TarInfo, reason: str
) -> None:
    images = take(pack(GOOD, others=(info,)))
    assert [path for path, _ in images.refused] == [info.name]
    assert images.refused[0][1].startswith(reason)
    assert {path: images.read(path) for path in images.paths} == GOOD
    assert not list(tmp_path.rglob("*escaped*"))


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"max_files": 1}, r"exceeds `data_ingestion\.limits\.max_files`. Expected at most 1. Received: 2"),
        ({"max_total_bytes": 16}, r"`data_ingestion\.limits\.max_total_bytes`. Expected at most 16. Received: 17"),
    ],
)
def test_a_tar_over_a_limit_leaves_nothing(take: Take, tmp_path: Path, limits: dict[str, int], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        take(pack(GOOD), **limits)
    assert not (tmp_path / "data" / "images").exists()


def test_a_tar_that_is_a_bomb_is_refused(take: Take, tmp_path: Path) -> None:
    with pytest.raises(
        DatasetError, match=r"exceeds `data_ingestion\.limits\.max_compression_ratio`.*at most 200 times"
    ):
        take(pack({**GOOD, "ct/normal/bomb.png": bytes(70_000_000)}, "w:gz"))
    assert not (tmp_path / "data" / "images").exists()


def test_a_tar_that_is_cut_short_is_refused_as_a_whole(take: Take, tmp_path: Path) -> None:
    data = pack({f"ct/normal/{number}.png": bytes(range(256)) * 90 for number in range(9)}, "w")
    with pytest.raises(DatasetError, match=r"Can't unpack .*source\.tar\.gz.*damaged.*make the archive again"):
        take(data[: len(data) // 2])
    assert not (tmp_path / "data" / "images").exists()


@examples(40, 300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.dictionaries(st.integers(0, len(pack(GOOD, "w")) - 1), st.integers(0, 255), min_size=1, max_size=6),
    mode=st.sampled_from(["w", "w:gz"]),
)
def test_no_change_of_bytes_makes_it_crash_or_escape(
    take: Take, tmp_path: Path, changes: dict[int, int], mode: str
) -> None:
    data = bytearray(pack(GOOD, mode))
    for position, value in changes.items():
        data[position % len(data)] = value
    try:
        images = take(bytes(data))
    except DatasetError as error:
        assert "Can't unpack" in str(error) or "exceeds" in str(error)  # noqa: PT017  # it need not be raised
    else:
        assert len(images.paths) == images.source.files
    assert {path.name for path in tmp_path.iterdir()} == {"data", "source.tar.gz"}
