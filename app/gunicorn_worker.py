"""gunicorn's threaded worker, which gives up on clients that stall: each could hold a thread for ever."""

import socket
import time
from contextlib import suppress
from types import FrameType
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

_TO_ANSWER_SECONDS = 10


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn ships no types
    """Ends reading from a client after `REQUEST_SECONDS`, and the connection some seconds later."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._started: dict[TConn, float] = {}

    def handle(self, conn: TConn) -> Any:
        """Handle a request, in a thread."""
        self._started[conn] = time.monotonic()
        try:
            return super().handle(conn)
        finally:
            del self._started[conn]

    def handle_request(self, req: Any, conn: TConn) -> Any:
        """Answer a request whose headers have arrived: its time begins."""
        self._started[conn] = time.monotonic()
        self.wsgi.extensions["patience"].pop(conn.sock, None)
        return super().handle_request(req, conn)

    def murder_pending(self) -> None:
        """Called by the main loop every second at least."""
        super().murder_pending()
        now = time.monotonic()
        for conn, started in list(self._started.items()):
            # An archive to train on takes its time, see `app.problems.allow_more_time`.
            limit = self.wsgi.extensions["patience"].get(conn.sock, self.wsgi.config["REQUEST_SECONDS"])
            with suppress(OSError):  # closed meanwhile
                if now - started > limit + _TO_ANSWER_SECONDS:
                    conn.sock.shutdown(socket.SHUT_RDWR)
                elif now - started > limit:
                    # Whoever still reads sees the end, and can still answer that the request came too slowly.
                    conn.sock.shutdown(socket.SHUT_RD)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop: requests are still answered, streams of events end."""
        if self.booted:
            self.wsgi.extensions["stopping"].set()
        super().handle_exit(sig, frame)
