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

# What ends a process at once, unless it is told otherwise; Ctrl-C raises KeyboardInterrupt by itself.
_SIGNALS = (signal.SIGTERM, signal.SIGHUP)

at_end = ExitStack()
"""What is done when the run of this process ends, last in, first out."""


class Session(KedroSession):
    """Kedro's session, whose runs end properly whatever ends them."""

    def run(self, *arguments: Any, **named: Any) -> dict[str, Any]:
        """Run pipelines; see Kedro."""
        with at_end, stopping_by_signals():
            return super().run(*arguments, **named)


@contextmanager
def stopping_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise SystemExit, so that all that is open is closed; a second one ends the process."""
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield
        return
    former = {number: signal.getsignal(number) for number in _SIGNALS}
    # One that is ignored, as by nohup, stays so.
    ours = [number for number, handler in former.items() if handler is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _stop(number: int, _frame: object) -> NoReturn:
    signal.signal(number, signal.SIG_DFL)
    sys.exit(128 + number)
