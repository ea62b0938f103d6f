"""Hundreds of bodies that no one should send: each is refused with a problem document, quickly and in little memory."""

import base64
import io
import json
import random
import resource
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from pydicom.data import get_testdata_file
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from properties import examples


def png(width: int, height: int, body: bytes = b"") -> bytes:
    """A PNG whose header announces a size, whatever follows."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


def truncated(chance, files):
    data = chance.choice(files)
    return data[: chance.randrange(1, len(data) // 2)]


def mislabelled(chance, files):
    return chance.choice(
        [b"%PDF-1.7\n", b"PK\x03\x04", b"<svg>", b"\x7fELF", b"GIF89a", b"BM", b"II*\0", b"\xff\xd8\xff"]
    ) + (chance.randbytes(chance.randrange(200)))


def huge_dimensions(chance, files):
    return png(chance.choice([10**5, 2**31 - 1, 60_000]), chance.choice([10**5, 2**31 - 1, 60_000]), bytes(1000))


def too_few_pixels(chance, files):
    return png(chance.randrange(33, 4000), chance.randrange(33, 4000), bytes(chance.randrange(1000)))


def polyglot(chance, files):
    """Another kind of file in front of a good image."""
    return b"%PDF-1.7\n%" + chance.choice(files) + b"PK\x05\x06" + bytes(18)


def nested_base64(chance, files):
    data = chance.choice(files)
    for _ in range(chance.randrange(1, 3)):
        data = base64.b64encode(data)
    return data


def noise(chance, files):
    return chance.randbytes(chance.randrange(5000))


def json_of_wrong_types(chance):
    value = chance.choice(
        [None, 1, 1e308, True, [], {}, ["aGk="], {"image": "aGk="}, "", "=", "\ud800", "é", "a" * 999]
    )
    key = chance.choice(["image", "image", "Image", "images", ""])
    return chance.choice(
        [json.dumps({key: value}), json.dumps(value), json.dumps([{key: value}]), '{"image":', "[" * 9999]
    )


FILES = [truncated, mislabelled, huge_dimensions, too_few_pixels, polyglot, nested_base64, noise]


@pytest.fixture(scope="module")
def good_files(encode):
    noise = np.random.default_rng(1).integers(0, 255, (80, 90, 3), np.uint8)
    return [
        encode(noise, "PNG"),
        encode(noise, "JPEG"),
        encode(noise, "WEBP"),
        Path(get_testdata_file("CT_small.dcm")).read_bytes(),
    ]


def form(data):
    # Encoded beforehand: Werkzeug's test client writes large forms to disk itself.
    boundary, body = encode_multipart({"image": FileStorage(io.BytesIO(data), "a.png")})
    return {"data": body, "content_type": f"multipart/form-data; boundary={boundary}"}


def refuse(client, **request):
    start = time.perf_counter()
    response = client.post("/predict", **request)
    assert 400 <= response.status_code < 500, response.get_data(as_text=True)[:200]
    assert response.mimetype == "application/problem+json"
    assert response.get_json()["status"] == response.status_code
    assert time.perf_counter() - start < 10


def test_hundreds_of_bad_bodies_are_refused(client, good_files):
    chance = random.Random(2026)  # noqa: S311  # for tests, not for secrets
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for i in range(examples(300, 1000).max_examples):
        make = FILES[i % len(FILES)]
        data = make(chance, good_files)
        match i % 3:
            case 0:
                refuse(client, **form(data))
            case 1:
                refuse(client, json={"image": base64.b64encode(data).decode()})
            case 2:
                refuse(client, data=json_of_wrong_types(chance), content_type="application/json")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 300_000  # kilobytes


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data", "multipart/form-data; boundary=", "text/plain", "a/b;c=\\"]
)
def test_bodies_that_are_no_form_are_refused(client, content_type):
    refuse(client, data=b"--x\r\n\r\n", content_type=content_type)


def test_forms_that_are_broken_or_full_of_parts_are_refused(client, good_files):
    boundary, body = encode_multipart({"image": FileStorage(io.BytesIO(good_files[0]), "a.png")})
    content_type = f"multipart/form-data; boundary={boundary}"
    for cut in (10, len(body) // 2, len(body) - 5):
        refuse(client, data=body[:cut], content_type=content_type)
    parts = (
        b"".join(b'--x\r\nContent-Disposition: form-data; name="a%d"\r\n\r\n1\r\n' % i for i in range(2000))
        + b"--x--\r\n"
    )
    refuse(client, data=parts, content_type="multipart/form-data; boundary=x")
    refuse(client, data=b"image=" + b"A" * 600_000, content_type="application/x-www-form-urlencoded")


def test_fifty_megabytes_are_refused(client):
    refuse(client, data=bytes(50_000_000), content_type="application/json")
    refuse(client, **form(bytes(50_000_000)))
