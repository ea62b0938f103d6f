"""Downloads, by real HTTP from a server on this machine that behaves as Google Drive does."""

import hashlib
import importlib
import io
import re
import socket
import threading
import time
import traceback
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from kedro.io import DatasetError

from chest_cancer.datasets.image_folder_dataset import ImageFolderDataset
from chest_cancer.sources.image_source import ImageSource
from dicom_files import dicom

DRIVE_ID = "1z0mreUtRmR-P-magILsDR3T7M6IkGXtY"
GDOWN_BLOCK = 512 * 1024  # what is received of an unfinished block is lost
QUOTA_PAGE = """<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head><body>
<p class="uc-error-caption">Sorry, you can&#39;t view or download this file at this time.</p>
<p class="uc-error-subcaption">Too many users have viewed or downloaded this file recently.</p></body></html>"""
LOGIN_PAGE = "<!DOCTYPE html><html><head><title>Sign in - Google Accounts</title></head><body></body></html>"
# On one line, as Google sends it: gdown looks at each line by itself.
CONFIRM_PAGE = (
    "<!DOCTYPE html><html><body><p>Google Drive can't scan this file for viruses.</p>\n"
    '<form id="download-form" action="https://drive.usercontent.google.com/download" method="get">'
    '<input type="hidden" name="id" value="{id}"><input type="hidden" name="export" value="download">'
    '<input type="hidden" name="confirm" value="t"><input type="hidden" name="uuid" value="0-1-2"></form></body></html>'
)


def make_zip(seed: int = 0) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("normal/a.png", "normal/b.png", "adenocarcinoma/c.png"):
            content = b"BM" + b"".join(hashlib.sha256(f"{seed}{name}{i}".encode()).digest() for i in range(17_000))
            archive.writestr(zipfile.ZipInfo(name), content)  # a fixed date: the same bytes at any second
    return buffer.getvalue()


class FakeDrive(ThreadingHTTPServer):
    """What the tests choose of Google Drive's behaviour, and what was asked of it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.data = make_zip()
        self.asks_to_confirm = False
        self.honours_ranges = True
        self.page: str | None = None
        self.failures = 0
        self.cut_after: list[int] = []
        self.stall_after: int | None = None
        self.over = threading.Event()
        self.asked: list[tuple[str, str | None]] = []
        self.cookies: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def ranges(self) -> list[str]:
        return [asked for _, asked in self.asked if asked]


class Handler(BaseHTTPRequestHandler):
    server: FakeDrive

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        drive = self.server
        drive.asked.append((self.path, self.headers["Range"]))
        drive.cookies.append(self.headers["Cookie"])
        query = parse_qs(urlsplit(self.path).query)
        if drive.failures:
            drive.failures -= 1
            self.send_page("<html>Server Error</html>", status=500)
        elif drive.page:
            self.send_page(drive.page)
        elif drive.asks_to_confirm and "confirm" not in query:
            self.send_page(CONFIRM_PAGE.format(id=query["id"][0]))
        else:
            self.send_archive()

    def send_page(self, page: str, status: int = 200) -> None:
        body = page.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Set-Cookie", "NID=tracked; path=/")
        self.end_headers()
        self.wfile.write(body)

    def send_archive(self) -> None:
        drive, data, start = self.server, self.server.data, 0
        if drive.stall_after == -1:
            drive.over.wait(30)
            return
        if (asked := self.headers["Range"]) and drive.honours_ranges:
            start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Disposition", 'attachment; filename="Chest-CT-Scan-data.zip"')
        self.send_header("Content-Length", str(len(data) - start))
        self.send_header("ETag", f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"')
        self.end_headers()
        end = drive.cut_after.pop(0) if drive.cut_after else len(data)
        if drive.stall_after is not None:
            self.wfile.write(data[start : drive.stall_after])
            self.wfile.flush()
            drive.over.wait(30)
        else:
            self.wfile.write(data[start:end])
        self.close_connection = True


@pytest.fixture
def drive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeDrive]:
    """The server, with every request for Google's hosts led to it, and any other host refused."""
    monkeypatch.setenv("NO_PROXY", "*")
    gdown_module = importlib.import_module("gdown.download")
    monkeypatch.setattr(gdown_module, "DEFAULT_COOKIES_FILE", str(tmp_path / "cookies.txt"))
    send = requests.adapters.HTTPAdapter.send
    with FakeDrive() as server:

        def send_here(
            adapter: requests.adapters.HTTPAdapter, request: requests.PreparedRequest, **kwargs: object
        ) -> requests.Response:
            parts = urlsplit(request.url)
            if parts.hostname in {"drive.google.com", "docs.google.com", "drive.usercontent.google.com"}:
                request.url = f"{server.url}{parts.path}?{parts.query}"
            assert urlsplit(request.url).hostname == "127.0.0.1", request.url
            return send(adapter, request, **kwargs)

        monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send_here)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def dataset(tmp_path: Path) -> ImageFolderDataset:
    return ImageFolderDataset(filepath=str(tmp_path / "data" / "images"))


@pytest.fixture
def downloads(tmp_path: Path) -> Callable[[str], list[str]]:
    return lambda pattern: sorted(path.name for path in (tmp_path / "data" / "downloads").glob(pattern))


def from_drive(**options: object) -> ImageSource:
    return ImageSource(location=f"gdrive:{DRIVE_ID}", **{"timeout_seconds": 5.0, "retries": 0, **options})


@pytest.mark.parametrize(
    "location",
    [
        f"gdrive:{DRIVE_ID}",
        f"https://drive.google.com/file/d/{DRIVE_ID}/view?usp=sharing",
        f"https://drive.google.com/file/u/1/d/{DRIVE_ID}/edit",
        f"https://drive.google.com/open?id={DRIVE_ID}",
        f"https://drive.google.com/uc?export=download&id={DRIVE_ID}",
        f"https://docs.google.com/uc?id={DRIVE_ID}",
        f"https://drive.usercontent.google.com/download?id={DRIVE_ID}&export=download",
        f"drive.google.com/file/d/{DRIVE_ID}",
    ],
)
def test_every_shape_of_a_drive_link_is_downloaded(
    drive: FakeDrive, dataset: ImageFolderDataset, location: str
) -> None:
    dataset.save(ImageSource(location=location, retries=0))

    images = dataset.load()
    assert images.paths == ("adenocarcinoma/c.png", "normal/a.png", "normal/b.png")
    assert images.source.kind == "google_drive"
    assert images.source.location == f"https://drive.google.com/file/d/{DRIVE_ID}/view"
    assert images.source.sha256 == hashlib.sha256(drive.data).hexdigest()
    assert drive.asked == [(f"/uc?id={DRIVE_ID}", None)]


def test_the_confirm_page_of_large_files_is_passed_without_keeping_cookies(
    drive: FakeDrive, dataset: ImageFolderDataset, tmp_path: Path
) -> None:
    drive.asks_to_confirm = True

    dataset.save(from_drive())

    assert len(dataset.load().paths) == 3
    assert "confirm=t" in drive.asked[-1][0]
    assert not list(tmp_path.rglob("cookies*"))


def test_the_quota_page_is_quoted_with_the_cure(
    drive: FakeDrive, dataset: ImageFolderDataset, downloads: Callable[[str], list[str]]
) -> None:
    drive.page = QUOTA_PAGE

    with pytest.raises(DatasetError) as caught:
        dataset.save(from_drive())

    assert str(caught.value) == (
        f"Could not download https://drive.google.com/file/d/{DRIVE_ID}/view: Too many users have viewed or downloaded "
        "this file recently. Check the network and the link, or get the images another way and pass "
        "data_ingestion.source=<archive or folder>."
    )
    assert not downloads("*.zip")
    assert not dataset.exists()


def test_an_answer_that_gdown_does_not_expect_is_reported(
    drive: FakeDrive, dataset: ImageFolderDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Handler, "send_archive", lambda handler: (handler.send_response(200), handler.end_headers()))
    with pytest.raises(
        DatasetError, match=r"KeyError: 'content-type'.* pass data_ingestion.source=<archive or folder>"
    ):
        dataset.save(from_drive())


def test_a_private_file_is_told_from_a_network_failure(drive: FakeDrive, dataset: ImageFolderDataset) -> None:
    drive.page = LOGIN_PAGE
    with pytest.raises(DatasetError, match="need to change the permission to 'Anyone with the link'"):
        dataset.save(from_drive())


def test_a_body_cut_short_is_resumed_in_the_same_run(drive: FakeDrive, dataset: ImageFolderDataset) -> None:
    drive.cut_after = [1_000_000]

    dataset.save(from_drive(retries=1))

    assert drive.ranges == [f"bytes={GDOWN_BLOCK}-"]
    assert dataset.load().source.sha256 == hashlib.sha256(drive.data).hexdigest()


def test_a_body_cut_short_is_resumed_by_the_next_run(
    drive: FakeDrive, dataset: ImageFolderDataset, downloads: Callable[[str], list[str]]
) -> None:
    drive.cut_after = [1_000_000]
    with pytest.raises(DatasetError, match=f"received {GDOWN_BLOCK} bytes but the server announced"):
        dataset.save(from_drive())
    assert len(downloads("*.part")) == 1

    dataset.save(from_drive())

    assert drive.ranges == [f"bytes={GDOWN_BLOCK}-"]
    assert dataset.load().source.sha256 == hashlib.sha256(drive.data).hexdigest()
    assert not downloads("*.part")


def test_of_several_parts_the_largest_is_continued(
    drive: FakeDrive, dataset: ImageFolderDataset, tmp_path: Path, downloads: Callable[[str], list[str]]
) -> None:
    drive.cut_after = [1_000_000]
    with pytest.raises(DatasetError):
        dataset.save(from_drive())
    (part,) = (tmp_path / "data" / "downloads").glob("*.part")
    part.with_name(part.name[: -len("12345678.part")] + "smaller_.part").write_bytes(b"PK")

    dataset.save(from_drive())

    assert drive.ranges == [f"bytes={GDOWN_BLOCK}-"]
    assert not downloads("*.part")


def test_a_part_that_the_server_does_not_continue_is_fetched_from_the_start(
    drive: FakeDrive, dataset: ImageFolderDataset
) -> None:
    drive.cut_after, drive.honours_ranges = [1_000_000], False
    with pytest.raises(DatasetError):
        dataset.save(from_drive())

    dataset.save(from_drive(retries=1))

    assert dataset.load().source.sha256 == hashlib.sha256(drive.data).hexdigest()


def test_a_wrong_checksum_names_both_and_leaves_no_file_behind(
    drive: FakeDrive, dataset: ImageFolderDataset, downloads: Callable[[str], list[str]]
) -> None:
    right = hashlib.sha256(drive.data).hexdigest()
    drive.data = make_zip(seed=1)
    wrong = hashlib.sha256(drive.data).hexdigest()
    with pytest.raises(
        DatasetError, match=rf"Wrong checksum of https.* Expected `data_ingestion.sha256`: {right}\. Received: {wrong}"
    ):
        dataset.save(from_drive(sha256=right))
    assert not downloads("*.zip") + downloads("*.part") + downloads("*.download")

    drive.data = make_zip()
    dataset.save(from_drive(sha256=right))

    assert dataset.load().source.sha256 == right


@pytest.mark.parametrize("stall_after", [-1, 100_000], ids=["before the headers", "in the body"])
def test_a_server_that_hangs_is_given_up(drive: FakeDrive, dataset: ImageFolderDataset, stall_after: int) -> None:
    drive.stall_after = stall_after
    start = time.monotonic()

    with pytest.raises(DatasetError, match=r"(?i)timed out|nothing received") as caught:
        dataset.save(from_drive(timeout_seconds=0.3))

    assert "data_ingestion.source=<archive or folder>" in str(caught.value)
    assert time.monotonic() - start < 5


def test_a_name_look_up_that_hangs_is_given_up(dataset: ImageFolderDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    over = threading.Event()

    def hang(*_: object, **__: object) -> None:
        over.wait(30)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    start = time.monotonic()
    try:
        with pytest.raises(
            DatasetError,
            match=r"drive\.google\.com/file/d/.*: nothing received for 1 s, the most that `data",
        ):
            dataset.save(from_drive(timeout_seconds=0.6, retries=2))
        assert time.monotonic() - start < 5
    finally:
        over.set()


@pytest.mark.parametrize("failures", [1, 2])
def test_errors_of_drive_are_tried_again(drive: FakeDrive, dataset: ImageFolderDataset, failures: int) -> None:
    drive.failures = failures
    dataset.save(from_drive(retries=1))
    assert len(dataset.load().paths) == 3


def test_errors_of_a_plain_server_are_tried_again_and_then_reported(
    drive: FakeDrive, dataset: ImageFolderDataset
) -> None:
    drive.failures = 1
    with pytest.raises(DatasetError, match="500 Server Error"):
        dataset.save(ImageSource(location=f"{drive.url}/ct.zip", retries=0))

    drive.failures = 1
    dataset.save(ImageSource(location=f"{drive.url}/ct.zip", retries=1))

    assert dataset.load().source.kind == "https"


def test_a_web_page_in_place_of_the_archive_is_not_kept(
    drive: FakeDrive, dataset: ImageFolderDataset, downloads: Callable[[str], list[str]]
) -> None:
    drive.page = LOGIN_PAGE
    with pytest.raises(
        DatasetError, match="expected a zip or tar archive, received a web page titled 'Sign in - Google Accounts'"
    ):
        dataset.save(ImageSource(location=f"{drive.url}/ct.zip", retries=0))
    assert not downloads("*.zip") + downloads("*.download")


def test_other_bytes_in_place_of_the_archive_are_not_kept(drive: FakeDrive, dataset: ImageFolderDataset) -> None:
    drive.data = b"no zip"
    with pytest.raises(DatasetError, match="expected a zip or tar archive, received 6 bytes of something else"):
        dataset.save(from_drive())


def test_a_connection_refused_names_the_address_and_the_cure(dataset: ImageFolderDataset) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(DatasetError) as caught:
        dataset.save(ImageSource(location=f"http://127.0.0.1:{port}/ct.zip", retries=0))
    assert re.fullmatch(
        rf"Could not download http://127.0.0.1:{port}/ct.zip: Failed to establish a new connection: .*refused\. Check "
        r"the network and the link, or get the images another way and pass data_ingestion.source=<archive or folder>\.",
        str(caught.value),
    )


def test_the_message_names_the_parameter_that_the_source_came_from(
    drive: FakeDrive, dataset: ImageFolderDataset
) -> None:
    drive.page = QUOTA_PAGE
    with pytest.raises(DatasetError, match=r"batch_inference\.source=<archive or folder>"):
        dataset.save(from_drive(parameter="batch_inference.source"))


@pytest.mark.parametrize("known", [True, False], ids=["with checksum", "without checksum"])
def test_an_archive_is_downloaded_once(
    drive: FakeDrive, tmp_path: Path, dataset: ImageFolderDataset, known: bool
) -> None:
    sha256 = hashlib.sha256(drive.data).hexdigest() if known else None
    dataset.save(from_drive(sha256=sha256))
    dataset.save(from_drive(sha256=sha256))
    other = ImageFolderDataset(filepath=str(tmp_path / "data" / "others"))

    other.save(from_drive(sha256=sha256))

    assert other.load().paths == dataset.load().paths
    assert len(drive.asked) == 1


def test_an_archive_that_may_name_patients_is_deleted_and_not_fetched_again(
    drive: FakeDrive, dataset: ImageFolderDataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("normal/a.dcm", dicom(PatientID="Planted"))
    drive.data = buffer.getvalue()
    caplog.set_level("INFO")

    dataset.save(from_drive())
    dataset.save(from_drive())

    assert len(drive.asked) == 1
    assert list(tmp_path.rglob("*.zip")) == []
    assert "after unpacking: DICOM files, volumes and tables in it may name patients." in caplog.text


def test_a_kept_archive_with_another_checksum_is_downloaded_again(
    drive: FakeDrive, dataset: ImageFolderDataset
) -> None:
    dataset.save(from_drive())
    drive.data = make_zip(seed=1)

    dataset.save(from_drive(sha256=hashlib.sha256(drive.data).hexdigest()))

    assert dataset.load().source.sha256 == hashlib.sha256(drive.data).hexdigest()


def test_credentials_in_a_link_are_neither_stored_nor_shown(
    drive: FakeDrive, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = ImageFolderDataset(filepath=str(tmp_path / "data" / "images"))
    location = f"http://user:secret@127.0.0.1:{drive.server_port}/ct.zip?token=secret"
    source = ImageSource(location=location, retries=0)
    dataset.save(source)
    drive.page = LOGIN_PAGE
    with pytest.raises(DatasetError) as page:
        dataset.save(ImageSource(location=location + "2", retries=0))
    drive.failures = 1
    with pytest.raises(DatasetError) as failure:
        dataset.save(ImageSource(location=location + "3", retries=0))

    assert dataset.load().source.location == f"{drive.url}/ct.zip"
    record = (tmp_path / "data" / "images" / ".source.json").read_text()
    told = "".join(line for error in (page, failure) for line in traceback.format_exception(error.value))
    assert "Could not download" in told
    assert "secret" not in record + repr(source) + caplog.text + told


def test_a_downloaded_archive_with_a_broken_directory_is_fetched_again(
    drive: FakeDrive, dataset: ImageFolderDataset
) -> None:
    whole = drive.data
    drive.data = whole.replace(b"PK\x01\x02", b"PK\xff\xff")
    with pytest.raises(DatasetError, match="is no archive, or is damaged"):
        dataset.save(from_drive())
    drive.data = whole

    dataset.save(from_drive())

    assert len(dataset.load().paths) == 3
