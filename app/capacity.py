"""How much the server takes on at once. More is refused immediately, because waiting requests would fill the memory."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self, cast

from flask import Flask, current_app, g, request

from app import metrics
from app.problems import ProblemError, time_allowed

RETRY_SECONDS = 2

_INFERENCES = 2
"""One is computed, on every core; the next one is ready when it ends."""


class Capacity:
    """Counts what is being worked on in this process."""

    def __init__(self, settings: dict[str, Any]) -> None:
        """Take the limits from the app's settings, see `app.DEFAULTS`."""
        self._max_requests: int = settings["MAX_REQUESTS"]
        self._max_bytes: int = settings["MAX_BYTES"]
        self._lock = threading.Lock()
        self._requests = 0
        self._bytes = 0
        self._decodes = threading.Semaphore(settings["MAX_DECODES"])
        self._inferences = threading.Semaphore(_INFERENCES)

    @classmethod
    def of(cls, app: Flask) -> Self:
        """Return the capacity of an app."""
        return cast(Self, app.extensions["capacity"])

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Hold a place for the request, before its body is read.

        Raises:
            ProblemError: There are too many requests, or too many bytes.
        """
        length = request.content_length
        is_packed = "Content-Encoding" in request.headers  # and may unpack to as much as a request may hold
        size = current_app.config["MAX_CONTENT_LENGTH"] if length is None or is_packed else length
        if size > current_app.config["MAX_CONTENT_LENGTH"]:
            size = 0  # refused as too large as soon as it is looked at
        with self._lock:
            if self._requests >= self._max_requests or self._bytes + size > self._max_bytes:
                detail = "The server has as many requests as it can hold. Try again."
                raise ProblemError("busy", "Too busy", 503, detail, RETRY_SECONDS)
            self._requests += 1
            self._bytes += size
        try:
            with metrics.IN_PROGRESS.track_inprogress():
                yield
        finally:
            with self._lock:
                self._requests -= 1
                self._bytes -= size

    @contextmanager
    def decode(self) -> Iterator[None]:
        """Wait for a place to decode an image: a small file may hold a large image."""
        with self._turn(self._decodes), metrics.STAGE_SECONDS.labels("decode").time():
            yield

    @contextmanager
    def infer(self) -> Iterator[None]:
        """Wait for the network."""
        with self._turn(self._inferences), metrics.STAGE_SECONDS.labels("inference").time():
            yield

    @contextmanager
    def _turn(self, places: threading.Semaphore) -> Iterator[None]:
        started = time.perf_counter()
        limit = time_allowed()
        left = g.started + limit - started
        if left <= 0 or not places.acquire(timeout=left):
            detail = f"There was no time for this request within {limit:g} s. Try again."
            raise ProblemError("out-of-time", "Out of time", 503, detail, RETRY_SECONDS)
        metrics.STAGE_SECONDS.labels("wait").observe(time.perf_counter() - started)
        try:
            yield
        finally:
            places.release()
