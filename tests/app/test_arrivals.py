"""When a request is whole, whatever pieces it comes in."""

import pytest

from app.arrivals import Arrival

LONGEST = 1000
GET = b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde"
CHUNKED = (
    b"POST /predict HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"
    b"4;note=1\r\n0\r\n\r\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"
)


@pytest.mark.parametrize("request_", [GET, POST, CHUNKED])
@pytest.mark.parametrize("step", [1, 3, 1000])
def test_a_request_is_whole_with_its_last_byte(request_, step):
    arrival = Arrival(LONGEST)
    for start in range(0, len(request_), step):
        assert not arrival.is_whole
        arrival.add(request_[start : start + step])
    assert arrival.is_whole
    assert not arrival.is_too_long
    assert b"".join(arrival.chunks) == request_


@pytest.mark.parametrize(
    "beginning",
    [
        b"POST / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: " + b"a" * 100_000,
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1000\r\n" + b"a" * 80_000,
    ],
)
def test_what_is_too_long_to_be_collected_is_left_to_whoever_answers(beginning):
    arrival = Arrival(LONGEST)
    arrival.add(beginning)
    assert arrival.is_too_long


@pytest.mark.parametrize("size", [b"four", b"", b"-1", b"1" * 2000])
def test_chunks_that_are_none_are_refused_by_whoever_answers(size):
    arrival = Arrival(LONGEST)
    arrival.add(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + size + b"\r\n")
    assert arrival.is_whole or arrival.is_too_long


@pytest.mark.parametrize(
    ("line", "asks"),
    [(b"GET /healthz", True), (b"HEAD /ct/healthz?x", True), (b"GET /readyz", False), (b"GET /x?/healthz", False)],
)
def test_a_question_about_health_is_known_by_its_first_line(line, asks):
    arrival = Arrival(LONGEST)
    arrival.add(line + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    assert arrival.is_health == asks


def test_of_a_request_that_was_given_up_only_the_head_is_kept():
    arrival = Arrival(LONGEST)
    arrival.add(POST[:-2])
    arrival.cut_short()
    assert b"".join(arrival.chunks) == POST[:-5]
    assert arrival.is_cut_short
