"""A folder on a disk or in an object store, and what is said where there is none."""

import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from botocore.exceptions import ClientError
from kedro.io import DatasetError
from s3fs.errors import translate_boto_error

from chest_cancer.storage.place import Place
from object_store import ACCOUNT, BUCKET, Line, line_to_s3


@pytest.fixture(scope="module")
def line() -> Iterator[Line]:
    with line_to_s3() as line:
        yield line


@pytest.fixture(params=["disk", "object store"])
def place(request: pytest.FixtureRequest, line: Line, tmp_path: Path) -> Place:
    if request.param == "disk":
        return Place.of(str(tmp_path / "deep" / "folder"))
    return Place.of(f"s3://{BUCKET}/{tmp_path.name}/", line.credentials())


def test_files_are_listed_read_replaced_and_removed(place: Place) -> None:
    place.write("b.parquet", b"0123456789")
    place.write("sub/a.parquet", b"other")
    place.write("b.parquet", b"9876543210")

    first, second = place.list()

    assert (first.name, first.bytes, second.name, second.bytes) == ("b.parquet", 10, "sub/a.parquet", 5)
    assert place.read(first.path, 0, 4) + place.read(first.path, 4, 99) == b"9876543210"
    assert place.read(first.path, 10, 10) == b""
    place.remove("b.parquet")
    place.remove("b.parquet")
    assert [one.name for one in place.list()] == ["sub/a.parquet"]
    with pytest.raises(FileNotFoundError):
        place.read(first.path, 0, 4)


def test_a_place_without_files_has_none(place: Place) -> None:
    assert place.list() == []


def test_a_place_shows_no_secret(line: Line) -> None:
    shown = repr(Place.of(f"s3://{BUCKET}/a", line.credentials()))

    assert f"s3://{BUCKET}/a" in shown
    assert not any(secret in shown for secret in ACCOUNT.values())


def test_an_object_that_is_replaced_has_another_stamp(line: Line, tmp_path: Path) -> None:
    place = Place.of(f"s3://{BUCKET}/{tmp_path.name}", line.credentials())
    place.write("a", b"one")
    (before,) = place.list()
    place.write("a", b"two")
    (after,) = place.list()

    assert before.bytes == after.bytes
    assert before.stamp != after.stamp


def test_the_address_of_one_object_has_this_one_and_empty_folders_are_none(line: Line, tmp_path: Path) -> None:
    Place.of(f"s3://{BUCKET}/{tmp_path.name}", line.credentials()).write("sub/scan.nii", b"values")
    line.files().pipe_file(f"{BUCKET}/{tmp_path.name}/sub/", b"")

    (whole,) = Place.of(f"s3://{BUCKET}/{tmp_path.name}", line.credentials()).list()
    (one,) = Place.of(f"s3://{BUCKET}/{tmp_path.name}/sub/scan.nii", line.credentials()).list()

    assert whole.name == "sub/scan.nii"
    assert (one.name, one.path) == ("scan.nii", whole.path)


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


USES: dict[str, Callable[[Place], Any]] = {
    "list": lambda place: place.list(),
    "read": lambda place: place.read("there-is-none/a.png", 0, 5),
    "write": lambda place: place.write("a", b"1"),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES.keys())
def test_a_bucket_that_is_missing_is_named(line: Line, use: Callable[[Place], Any]) -> None:
    place = Place.of("s3://there-is-none/a", line.credentials())

    words = r"Could not use s3://there-is-none/a: there is no such bucket \(NoSuchBucket\)\. Check its name"
    with pytest.raises(DatasetError, match=words):
        use(place)
    assert line.files().ls("") == [BUCKET]  # nor is it made


@pytest.mark.parametrize("use", USES.values(), ids=USES.keys())
def test_a_wrong_key_is_refused_and_not_shown(
    line: Line, monkeypatch: pytest.MonkeyPatch, use: Callable[[Place], Any]
) -> None:
    monkeypatch.setattr("moto.core.responses.settings.INITIAL_NO_AUTH_ACTION_COUNT", 0)
    place = Place.of(f"s3://{BUCKET}/a", line.credentials(key="another-key"))

    words = (
        rf"Could not use s3://{BUCKET}/a: the object store refuses this account \(\w+\)\. Check `object_store` in "
        r"conf/local/credentials\.yml"
    )
    with pytest.raises(DatasetError, match=words) as refused:
        use(place)
    assert "another-key" not in str(refused.value)
    assert ACCOUNT["secret"] not in str(refused.value)


def test_who_has_no_account_is_told_where_to_put_one(
    line: Line, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    place = Place.of(f"s3://{BUCKET}/a", {"endpoint_url": f"http://127.0.0.1:{line.port}"})

    words = r"asks for an account, and there is none \(NoCredentialsError\)\. Set `object_store` in conf/local"
    with pytest.raises(DatasetError, match=words):
        place.list()


def test_a_store_that_does_not_answer_is_asked_again_by_the_same_command(line: Line) -> None:
    place = Place.of(f"s3://{BUCKET}/a", line.credentials(endpoint_url=f"http://127.0.0.1:{unused_port()}"))

    words = (
        r"no connection, or it was lost: \w+\. Once it works, start the same command again: what is complete is kept"
    )
    with pytest.raises(DatasetError, match=words):
        place.list()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("SlowDown", r"the object store answers SlowDown\. Once it works, start the same command again"),
        ("PermanentRedirect", r"says PermanentRedirect\. Check the address, and `object_store`"),
    ],
)
def test_what_may_pass_is_told_from_what_may_not(line: Line, code: str, words: str) -> None:
    class Answering(fsspec.get_filesystem_class("s3")):
        def find(self, *_: object, **__: object) -> None:
            answer = {"Error": {"Code": code, "Message": "of the object Jane Doe"}}
            raise translate_boto_error(ClientError(answer, "ListObjectsV2"))

    with pytest.raises(DatasetError, match=words) as refused:
        Place(f"s3://{BUCKET}/a", Answering(**line.credentials())).list()
    assert "Jane" not in str(refused.value)


@pytest.mark.parametrize(
    "settings", [{"endpoint_url": "nowhere"}, {"usrname": "reader"}, {"username": "a", "key": "b"}]
)
def test_credentials_that_fit_no_store_are_said_to_be_wrong(settings: dict[str, str]) -> None:
    with pytest.raises(DatasetError, match=r"its library, says \w+Error\. Check the address, and `object_store` in"):
        Place.of(f"s3://{BUCKET}/a", ACCOUNT | settings).list()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("s3://bucket/a", r'Could not use s3://bucket/a: the package for s3:// .*: pip install "chest_cancer\[s3\]"'),
        ("gs://bucket/a", "pip install gcsfs"),
        ("az://container/a", "pip install adlfs"),
    ],
)
def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, address: str, words: str) -> None:
    for name in ("s3fs", "gcsfs", "adlfs"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)

    with pytest.raises(DatasetError, match=words):
        Place.of(address)


def test_another_kind_of_address_is_refused() -> None:
    with pytest.raises(DatasetError, match=r"begins with s3://, gs://, az://\. Received: hdfs://…"):
        Place.of("hdfs://user:secret@host/a")
