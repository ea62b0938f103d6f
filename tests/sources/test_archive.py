"""Archives that misbehave, by real HTTP on this machine; tests/archive has a real one."""

import io
import json
import logging
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest
from kedro.io import DatasetError
from pydicom import dcmread

from chest_cancer.datasets.image_folder_dataset import ImageFolderDataset
from chest_cancer.parameters.sources import SourceLimits
from chest_cancer.sources.archive import session
from chest_cancer.sources.archive.account import Account
from chest_cancer.sources.archive.connection import Archive
from chest_cancer.sources.archive.location import parse_location
from chest_cancer.sources.archive.store import Stored, store_files
from chest_cancer.sources.identifiers import keyed_hash
from chest_cancer.sources.image_folder import ImageFolder
from chest_cancer.sources.image_source import ImageSource
from dicom_files import dicom

KEY = bytes(32)
STUDY, SERIES = "1.2.3", "1.2.3.4"
UIDS = [f"1.2.3.4.{number}" for number in range(1, 6)]
TAGS = {"studies": "0020000D", "series": "0020000E", "instances": "00080018"}


def slice_of(uid: str) -> bytes:
    names = {"PatientID": "Planted", "StudyInstanceUID": STUDY, "SeriesInstanceUID": SERIES, "SOPInstanceUID": uid}
    return dicom(**names)


class FakeArchive(ThreadingHTTPServer):
    """One study with one series of CT, and what the tests choose to go wrong."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {uid: slice_of(uid) for uid in UIDS}
        self.page = 1000
        self.knows_offsets = True
        self.answers: dict[str, Callable[[Handler], None]] = {}  # the end of a path to what is answered once or always
        self.asked: Counter[str] = Counter()
        self.accounts: set[str | None] = set()

    @property
    def location(self) -> str:
        return f"dicomweb+http://127.0.0.1:{self.server_port}/dicom-web"


class Handler(BaseHTTPRequestHandler):
    server: FakeArchive

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        name = parts.path.rsplit("/", 1)[1]
        self.server.asked[name] += 1
        self.server.accounts.add(self.headers["Authorization"])
        if answer := self.server.answers.get(name):
            answer(self)
        elif name in TAGS:
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            self.send(200, json.dumps(self.search(name, query)).encode(), "application/dicom+json")
        else:
            self.send_file(self.server.files[name])

    def search(self, level: str, query: dict[str, str]) -> list[dict[str, object]]:
        found = {"studies": [STUDY], "series": [SERIES], "instances": list(self.server.files)}[level]
        if wanted := query.get("SOPInstanceUID"):
            found = [uid for uid in found if uid == wanted]
        start = int(query.get("offset", 0)) if self.server.knows_offsets else 0
        return [
            {TAGS[level]: {"vr": "UI", "Value": [uid]}, "00080060": {"vr": "CS", "Value": ["CT"]}}
            for uid in found[start : start + self.server.page]
        ]

    def do_POST(self) -> None:
        body = b""
        if self.headers["Transfer-Encoding"] == "chunked":
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked["POST"] += 1
        boundary = re.search(r'boundary="?([^";]+)', self.headers["Content-Type"])[1].encode()
        data = body.split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n--" + boundary, 1)[0]
        if "POST" in self.server.answers:
            self.server.answers["POST"](self)
        if "refused" not in self.server.asked:
            self.server.files[str(dcmread(io.BytesIO(data)).SOPInstanceUID)] = data
            if "POST" not in self.server.answers:
                self.send(200, b"{}", "application/dicom+json")

    def send(self, status: int, body: bytes, kind: str, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def send_file(self, data: bytes) -> None:
        part = b"--limit\r\nContent-Type: application/dicom\r\n\r\n" + data + b"\r\n--limit--"
        self.send(200, part, 'multipart/related; type="application/dicom"; boundary=limit')


def status(code: int) -> Callable[[Handler], None]:
    return lambda handler: handler.send(code, b"", "text/plain")


@pytest.fixture
def server() -> Iterator[FakeArchive]:
    with FakeArchive() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chest_cancer.sources.archive.connection.time.sleep", lambda _: None)


def bring(server: FakeArchive, folder: Path, account: dict[str, str] | None = None, **others: object) -> ImageFolder:
    dataset = ImageFolderDataset(filepath=str(folder / "images"), credentials=account)
    dataset.save(ImageSource(location=f"{server.location}?Modality=CT&PatientID=Planted", key=KEY, **others))
    return dataset.load()


def open_archive(server: FakeArchive, retries: int = 2) -> Archive:
    location = parse_location(server.location, "--to", with_query=False)
    return Archive(location, Account(), timeout_seconds=5, retries=retries, parameter="--to")


def name_of(uid: str) -> str:
    return f"{keyed_hash(KEY, 'study', STUDY)}/{keyed_hash(KEY, 'instance', uid)}.dcm"


@pytest.mark.parametrize(("page", "knows_offsets"), [(2, True), (1000, False)])
def test_all_pages_of_a_list_are_read_and_nothing_twice(
    server: FakeArchive, tmp_path: Path, page: int, knows_offsets: bool
) -> None:
    server.page, server.knows_offsets = page, knows_offsets

    assert bring(server, tmp_path).paths == tuple(sorted(map(name_of, UIDS)))
    assert [server.asked[uid] for uid in UIDS] == [1] * 5


@pytest.mark.parametrize("code", [429, 500, 503])
def test_what_may_pass_is_asked_again(server: FakeArchive, tmp_path: Path, code: int) -> None:
    def once(handler: Handler) -> None:
        server.answers.clear()
        status(code)(handler)

    server.answers[UIDS[2]] = once

    assert len(bring(server, tmp_path).paths) == 5
    assert server.asked[UIDS[2]] == 2


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (status(404), "the archive says of it: status 404 Not Found"),
        (status(500), "the archive says of it: status 500 Internal Server Error"),
        (lambda handler: handler.send_file(b"no DICOM"), "what the archive gives is no whole DICOM file"),
        (lambda handler: handler.send(200, b"<html>", "text/html"), "what the archive gives is no whole DICOM file"),
        (lambda handler: handler.send_file(slice_of("1.9")), "the archive answers with another file"),
    ],
)  # fmt: skip
def test_a_file_that_does_not_come_is_listed_with_its_reason(
    server: FakeArchive, tmp_path: Path, answer: Callable[[Handler], None], reason: str
) -> None:
    server.answers[UIDS[1]] = answer

    for _ in range(2):  # the reasons of studies that were fetched before are kept as well
        images = bring(server, tmp_path)
        assert images.refused == ((name_of(UIDS[1]), reason),)
        assert len(images.paths) == 4
        (tmp_path / "images" / ".source.json").unlink()
        for path in images.paths:
            (tmp_path / "images" / path).unlink()
        (tmp_path / "images" / images.paths[0]).parent.rmdir()
    assert server.asked[UIDS[0]] == 1


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (status(503), "status 503 Service Unavailable. Once it answers, start the same command again"),
        (status(403), "it refuses requests without an account (status 403 Forbidden). Check `archive` in conf/local"),
        (lambda handler: handler.send(200, b"<html>", "text/html"), "its answer is not that of a DICOMweb service"),
        (lambda handler: handler.send(200, b'["a"]', "application/json"), "its answer is not that of a DICOMweb"),
        (
            lambda handler: handler.send(302, b"", "text/plain", Location="http://127.0.0.1:9/"),
            "it leads to another address, which is not followed",
        ),
        (lambda handler: handler.connection.close(), "no connection. Once it answers"),
    ],
)
def test_an_archive_that_gives_no_list_is_named_without_whose_studies_were_wanted(
    server: FakeArchive,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    answer: Callable[[Handler], None],
    message: str,
) -> None:
    server.answers["instances"] = answer
    caplog.set_level(logging.DEBUG, logger="chest_cancer")

    with pytest.raises(DatasetError, match=re.escape(message)) as caught:
        bring(server, tmp_path)

    address = server.location.removeprefix("dicomweb+")
    assert str(caught.value).startswith(f"Could not use the archive {address} of `data_ingestion.source`: ")
    assert caught.value.__suppress_context__
    for text in (str(caught.value), caplog.text):
        assert "Planted" not in text
        assert STUDY not in text


def test_an_answer_without_end_is_refused(server: FakeArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_MOST_BYTES", 2000)

    assert {reason for _, reason in bring(server, tmp_path).refused} == {"larger than 2000 bytes"}


def test_more_files_than_the_limit_are_not_fetched(server: FakeArchive, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"exceeds `data_ingestion.limits.max_files`. Expected at most 4"):
        bring(server, tmp_path, limits=SourceLimits(max_files=4))
    assert server.asked[UIDS[0]] == 0


@pytest.mark.parametrize(
    ("account", "sent"),
    [
        (None, None),
        ({"token": "abc"}, "Bearer abc"),
        ({"username": "me", "password": "a:b"}, "Basic bWU6YTpi"),
    ],
)
def test_an_account_is_sent_as_it_is_given(
    server: FakeArchive, tmp_path: Path, account: dict[str, str] | None, sent: str | None
) -> None:
    bring(server, tmp_path, account)

    assert server.accounts == {sent}


@pytest.mark.parametrize(
    "account",
    [{"user": "secret"}, {"username": "secret"}, {"token": ""}, {"username": "secret", "password": None}],
)
def test_an_account_of_another_kind_is_refused_without_showing_it(account: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="Expected `username` and `password`, or `token`") as caught:
        Account.of(account)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("dicomweb+http://pacs.example/dicom-web?Modality=CT", "`dicomweb+http` only on this machine"),
        ("dicomweb+ftp://pacs.example/dicom-web?Modality=CT", "Expected `dicomweb+https://<host>/"),
        ("dicomweb+https:///dicom-web?Modality=CT", "Expected `dicomweb+https://<host>/"),
        ("dicomweb+https://me:pw@pacs.example/?Modality=CT", "an address without an account"),
        ("dicomweb+https://pacs.example/dicom-web", "without a query: that would be the whole archive"),
        ("dicomweb+https://pacs.example/dicom-web?PatientName=Doe", "Received: `PatientName`"),
        ("dicomweb+https://pacs.example/dicom-web?StudyDate=", "none behind `StudyDate`"),
        ("dicomweb+https://pacs.example/dicom-web?Modality=CT&Modality=MR", "each key of the query once"),
    ],
)
def test_a_location_that_is_none_says_what_was_expected(location: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        ImageSource(location=location)
    assert "`data_ingestion.source`" in str(caught.value)
    assert not {"Doe", "pw"}.intersection(re.split(r"\W", str(caught.value)))


def test_a_location_is_shown_without_its_query() -> None:
    source = ImageSource(location="dicomweb+https://pacs.example/dicom-web/?Modality=CT&PatientID=Planted+1")

    assert source.kind == "dicomweb"
    assert source.address == "dicomweb+https://pacs.example/dicom-web/"
    assert source.archive.url == "https://pacs.example/dicom-web"
    assert source.archive.query == {"ModalitiesInStudy": "CT", "PatientID": "Planted 1"}
    assert "Planted" not in repr(source)


def test_results_go_to_an_address_without_a_query(server: FakeArchive) -> None:
    with pytest.raises(
        ValueError, match=r"Invalid value received for `--to`. Expected the address of an archive alone"
    ):
        parse_location(f"{server.location}?Modality=CT", "--to", with_query=False)


@pytest.fixture
def result(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "a.dcm").write_bytes(slice_of("1.7"))
    return folder


def test_a_file_whose_answer_was_lost_is_not_stored_twice(server: FakeArchive, result: Path) -> None:
    server.answers["POST"] = lambda handler: handler.connection.close()

    assert store_files(result, open_archive(server)) == Stored(sent=0, present=1)
    assert server.asked["POST"] == 1
    assert "1.7" in server.files


@pytest.mark.parametrize(
    ("code", "body", "expected"),
    [
        (409, 0xA700, "the archive does not take it: it has no space left"),
        (202, 0x0122, "the archive does not take it: it does not take files of this SOP class"),
        (409, 0x0BAD, "the archive does not take it: reason 0x0bad"),
        (400, None, "the archive says of it: status 400 Bad Request"),
    ],
)
def test_a_file_that_is_refused_is_listed_with_its_reason(
    server: FakeArchive, result: Path, code: int, body: int | None, expected: str
) -> None:
    failed = {"00081198": {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [body]}}]}}
    server.asked["refused"] = 1
    server.answers["POST"] = lambda handler: handler.send(
        code, json.dumps(failed if body else {}).encode(), "application/dicom+json"
    )

    assert store_files(result, open_archive(server)).refused == [("a.dcm", expected)]


@pytest.mark.parametrize("nothing", [status(404), lambda handler: handler.send(204, b"", "text/plain"), None])
def test_a_file_is_stored_whatever_an_archive_says_of_a_study_that_it_lacks(
    server: FakeArchive, result: Path, nothing: Callable[[Handler], None] | None
) -> None:
    others = json.dumps(Handler.search(SimpleNamespace(server=server), "instances", {})).encode()
    server.answers["instances"] = nothing or (lambda handler: handler.send(200, others, "application/dicom+json"))

    assert store_files(result, open_archive(server)) == Stored(sent=1)
    assert "1.7" in server.files


def test_what_may_not_be_stored_with_this_account_ends_it(server: FakeArchive, result: Path) -> None:
    server.asked["refused"] = 1
    server.answers["POST"] = status(403)

    with pytest.raises(DatasetError, match=r"it refuses requests without an account \(status 403 Forbidden\)"):
        store_files(result, open_archive(server))


def test_what_has_no_identifiers_can_not_be_stored(server: FakeArchive, result: Path) -> None:
    (result / "a.dcm").write_bytes(dicom())
    (result / "b.dcm").write_bytes(b"text")

    assert store_files(result, open_archive(server)).refused == [
        ("a.dcm", "no whole DICOM file: StudyInstanceUID, SeriesInstanceUID missing"),
        ("b.dcm", "no DICOM file"),
    ]
    assert server.asked["POST"] == 0
