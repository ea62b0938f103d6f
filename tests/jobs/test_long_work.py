"""How far long work is: lines in a log, a bar on a terminal."""

import io
import logging
import re
import sys
from contextlib import suppress

import pytest

from chest_cancer.jobs.long_work import BYTES, LongWork, follow, time_in_words


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    """Gives seconds, as they are told to pass."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    def let_pass(self, seconds: float) -> None:
        self.now += seconds


def test_a_log_gets_the_rate_of_whole_batches_then_a_line_now_and_then_and_how_long_it_took(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "chest_cancer")
    clock = Clock()
    with LongWork("Extracting images", 320, clock=clock) as work:
        clock.let_pass(20)  # the network is compiled
        for _ in range(20):
            clock.let_pass(4)
            for _ in range(16):
                work.update()

    assert caplog.messages == [
        "Extracting images: 33 of 320 images, 4.0 images/s, about 72 s left.",
        "Extracting images: 161 of 320 images, 4.0 images/s, about 40 s left.",
        "Extracting images: 289 of 320 images, 4.0 images/s, about 8 s left.",
        "Extracting images: 320 of 320 images in 2 min.",
    ]


def test_a_log_hears_nothing_of_what_takes_seconds(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "chest_cancer")
    clock = Clock()
    with LongWork("Opening files", 3, "files", clock) as work:
        for _ in range(3):
            clock.let_pass(1)
            work.update()

    assert caplog.messages == []


@pytest.mark.parametrize(
    ("total", "unit", "count", "seconds", "line"),
    [
        (100, "trials", 1, 90, "Working: 3 of 100 trials, 40 trials/h, about 2.4 h left."),
        (None, "files", 1000, 10, "Working: 2,000 files, 100 files/s."),
        (9 * 10**7, BYTES, 10**7, 4, "Working: 30 of 90 MB, 2.5 MB/s, about 24 s left."),
    ],
)
def test_slow_work_uncounted_work_and_bytes_are_said_in_their_own_units(
    caplog: pytest.LogCaptureFixture, total: int | None, unit: str, count: int, seconds: int, line: str
) -> None:
    caplog.set_level(logging.INFO, "chest_cancer")
    clock = Clock()
    with LongWork("Working", total, unit, clock) as work:
        for _ in range(4):
            clock.let_pass(seconds)
            work.update(count)

    assert line in caplog.messages


def test_work_that_is_stopped_is_not_said_to_be_done(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "chest_cancer")
    clock = Clock()
    with suppress(KeyboardInterrupt), LongWork("Working", 9, clock=clock) as work:
        for _ in range(2):
            clock.let_pass(6)
            work.update()
        raise KeyboardInterrupt

    assert caplog.messages == ["Working: 2 of 9 images, 10.0 images/min, about 42 s left."]


def test_a_terminal_gets_a_bar_and_what_is_logged_meanwhile_stands_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    handler = logging.StreamHandler(terminal)
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])

    for number in follow(range(3), "Opening files", unit="files"):
        if number == 1:
            logging.getLogger("chest_cancer.test").warning("Odd.")

    last = terminal.getvalue().rstrip("\n").rsplit("\r", 1)[-1]
    assert re.match(r"Opening files: 100%\|[█#]+\| 3/3 \[00:00<00:00, +[\d.]+ files/s\]", last)
    assert "Odd.\n" in terminal.getvalue()
    assert "%|" not in next(line for line in terminal.getvalue().split("\r") if "Odd." in line).split("\n")[0]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (89.4, "89 s"), (90, "2 min"), (5399, "90 min"), (5400, "1.5 h"), (90000, "25.0 h")],
)
def test_times_are_written_as_people_say_them(seconds: float, words: str) -> None:
    assert time_in_words(seconds) == words
