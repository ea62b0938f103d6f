"""What is done when a run ends, however it ends: well, by an error, or by a signal.

Kedro tells its hooks of errors alone: where Ctrl-C or a signal ends a run, nobody would close its record. So what must
be done is put on `at_end`, and `Session` does it.
"""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NoReturn

from kedro.framework.session import KedroSession

# What ends a process, unless it is told otherwise, and the handlers that Python begins with.
_SIGNALS: dict[signal.Signals, Any] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGHUP: signal.SIG_DFL,
}

at_end = ExitStack()
"""What is done when the run of this process ends, last in, first out."""

_received: list[int] = []


class Session(KedroSession):
    """Kedro's session, whose runs end properly whatever ends them."""

    def run(self, *arguments: Any, **named: Any) -> dict[str, Any]:
        """Run pipelines; see Kedro."""
        with at_end, stopping_by_signals():
            return super().run(*arguments, **named)


@contextmanager
def stopping_by_signals() -> Iterator[None]:
    """Let signals raise KeyboardInterrupt or SystemExit, so that all that is open is closed.

    A second one ends the process.
    """
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield
        return
    # One that is ignored, as by nohup, stays so.
    ours = [number for number, handler in _SIGNALS.items() if signal.getsignal(number) is handler]
    for number in ours:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        _received.clear()
        for number in ours:
            signal.signal(number, _SIGNALS[number])


def stop_if_told() -> None:
    """Stop after a signal whose exception somebody swallowed: what C or a destructor calls can't pass one on."""
    if _received:
        _raise(_received[0])


def _stop(number: int, _frame: object) -> NoReturn:
    signal.signal(number, signal.SIG_DFL)
    _received.append(number)
    _raise(number)


def _raise(number: int) -> NoReturn:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)
