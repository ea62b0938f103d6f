"""Studies in memory while people look at them. One place a study, given back when it is closed or forgotten."""

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Self, cast

from flask import Flask

from app.problems import ProblemError
from chest_cancer.imaging.volumes.arriving import ArrivingStudy
from chest_cancer.imaging.volumes.volume import Limits, Volume

_RETRY_SECONDS = 10


class OpenStudy:
    """A study of which files arrive, then slices are shown and answered.

    Attributes:
        id: Names it to whoever opened it, and to nobody else.
        arriving: What has come.
        closed: Whether it was let go; whoever still works on it stops.
        users: How many requests are about it now.
        used: When the last one ended, on the monotonic clock.
    """

    def __init__(self, arriving: ArrivingStudy) -> None:
        self.id = secrets.token_urlsafe(24)
        self.arriving = arriving
        self.closed = threading.Event()
        self.users = 0
        self.used = time.monotonic()
        self._lock = threading.Lock()
        self._volumes: tuple[Volume, ...] | None = None

    def add(self, data: bytes) -> None:
        """Take a file, see `ArrivingStudy.add`.

        Raises:
            ProblemError: Its volumes were asked for.
        """
        with self._lock:
            if self._volumes is not None:
                detail = "Its answers were asked for; from then on a study takes no files. Open another one."
                raise ProblemError("study-complete", "Study complete", 409, detail)
            self.arriving.add(data)

    def volumes(self) -> tuple[Volume, ...]:
        """Return its volumes, the one with most slices first; from now on it takes no files."""
        with self._lock:
            if self._volumes is None:
                self._volumes = self.arriving.finish()
            return self._volumes


class Studies:
    """The studies of this process."""

    def __init__(self, settings: dict[str, Any]) -> None:
        """Take the limits from the app's settings, see `app.DEFAULTS`."""
        self._places = threading.Semaphore(settings["MAX_STUDIES"])
        self._limits = Limits(voxels=settings["MAX_STUDY_BYTES"] // 2)  # two bytes each
        self._most_slices: int = settings["MAX_STUDY_SLICES"]
        self._idle_seconds: int = settings["STUDY_IDLE_SECONDS"]
        self._lock = threading.Lock()
        self._open: dict[str, tuple[OpenStudy, ExitStack]] = {}

    @classmethod
    def of(cls, app: Flask) -> Self:
        """Return the studies of an app."""
        return cast(Self, app.extensions["studies"])

    @contextmanager
    def place(self) -> Iterator[ArrivingStudy]:
        """Hold a place for a study, before its files are read.

        Raises:
            ProblemError: All places are taken.
        """
        if not self._places.acquire(blocking=False):
            detail = "The server is busy with as many studies as it can hold. Try again."
            raise ProblemError("busy", "Too busy", 503, detail, _RETRY_SECONDS)
        try:
            yield ArrivingStudy(self._limits, self._most_slices)
        finally:
            self._places.release()

    def open(self) -> OpenStudy:
        """Open a study that stays until it is closed, or until nobody has asked about it for a while."""
        place = ExitStack()
        study = OpenStudy(place.enter_context(self.place()))
        with self._lock:
            self._open[study.id] = study, place
        self._look_after(study.id, self._idle_seconds)
        return study

    @contextmanager
    def use(self, study_id: str) -> Iterator[OpenStudy]:
        """Hold an open study, which is not forgotten meanwhile.

        Raises:
            ProblemError: There is none of that id.
        """
        with self._lock:
            study, _ = self._open.get(study_id, (None, None))
            if study is None:
                detail = "The study is closed, or was never open. Send its files again."
                raise ProblemError("study-closed", "Study closed", 404, detail)
            study.users += 1
        try:
            yield study
        finally:
            with self._lock:
                study.users -= 1
                study.used = time.monotonic()

    def close(self, study: OpenStudy) -> None:
        """Let a study go, and give its place back; nothing where that was done."""
        with self._lock:
            _, place = self._open.pop(study.id, (None, None))
        if place is not None:
            study.closed.set()
            place.close()

    def _look_after(self, study_id: str, seconds: float) -> None:
        # By its id: a timer that waits must not keep a closed study in memory.
        timer = threading.Timer(seconds, self._close_idle, [study_id])
        timer.daemon = True
        timer.start()

    def _close_idle(self, study_id: str) -> None:
        with self._lock:
            study, _ = self._open.get(study_id, (None, None))
        if study is None:
            return
        left = study.used + self._idle_seconds - time.monotonic()
        if study.users or left > 0:
            self._look_after(study_id, max(left, 1))
        else:
            self.close(study)
