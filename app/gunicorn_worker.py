"""gunicorn's threaded worker; a request gets a thread only when it has arrived, so that slow clients hold none."""

import selectors
import socket
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

from app.arrivals import ARRIVAL, Arrival, Received
from app.memory import give_back

_BLOCK = 64 * 1024
_TO_READ_SECONDS = 10
_TO_PART_SECONDS = 2
_LOOK_SECONDS = 1.0
_KEPT_SECONDS = 5
_LONG_REQUESTS = 8
"""Threads for requests that are longer than what is collected: they read from their clients themselves."""
_GO = b"HTTP/1.1 100 Continue\r\n\r\n"


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn ships no types
    """Collects requests in the main loop and answers them in threads; whether it is up, in a thread kept for that."""

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Refuse what this worker can't do."""
        if cfg.is_ssl:
            raise ValueError("Expected no certificate: a proxy in front speaks TLS, see docs/serving.md.")
        super().check_config(cfg, log)

    def init_process(self) -> None:
        """Begin to serve, in a process of its own."""
        self._arriving: dict[TConn, Arrival] = {}
        self._answered: dict[TConn, Arrival] = {}
        self._parting: dict[TConn, float] = {}
        self._long_requests = ThreadPoolExecutor(_LONG_REQUESTS)
        self._health = ThreadPoolExecutor(1)
        self._free_since: float | None = None
        super().init_process()

    def run(self) -> None:
        """Serve until told to stop."""
        self._limits: dict[str, Any] = self.wsgi.config
        # Else idle connections could take the places of those that ask for something.
        self.max_keepalived -= self._limits["MAX_ARRIVALS"]
        super().run()

    def enqueue_req(self, conn: TConn) -> None:
        """Collect what a new connection sends, or the next request of a known one."""
        conn.sock.setblocking(False)
        self._arriving[conn] = Arrival(self._limits["MAX_CONTENT_LENGTH"])
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._receive, conn))
        self._make_room()

    def _receive(self, conn: TConn, client: socket.socket) -> None:
        arrival = self._arriving.get(conn)
        if arrival is None:  # given up on meanwhile
            return
        had_head = arrival.has_head
        try:
            data = client.recv(_BLOCK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            arrival.add(data)
        if not data or arrival.is_whole or arrival.is_too_long:
            self._hand_over(conn)
            return
        if not had_head and arrival.expects_go:
            with suppress(OSError):  # the client is gone, which is noticed when reading
                client.send(_GO)
        self._make_room()

    def _make_room(self) -> None:
        """Give up on the oldest where too many arrive, and on the longest where they hold too many bytes."""
        while len(self._arriving) > self._limits["MAX_ARRIVALS"]:
            self._give_up(next(iter(self._arriving)))
        answered = sum(arrival.size for arrival in self._answered.values() if not arrival.is_too_long)
        while answered + sum(arrival.size for arrival in self._arriving.values()) > self._limits["MAX_BYTES"]:
            if not self._arriving:
                break
            self._give_up(max(self._arriving, key=lambda conn: self._arriving[conn].size))

    def _give_up(self, conn: TConn) -> None:
        arrival = self._arriving[conn]
        arrival.cut_short()
        self._hand_over(conn)

    def _hand_over(self, conn: TConn) -> None:
        """Have a request answered; where there is none, or only its beginning, end the connection."""
        arrival = self._arriving.pop(conn)
        self.poller.unregister(conn.sock)
        if not arrival.has_head and not arrival.is_too_long:
            self.nr_conns -= 1
            conn.close()
            return
        self._answered[conn] = arrival
        pool = self._long_requests if arrival.is_too_long else self._health if arrival.is_health else self.tpool
        pool.submit(self.handle, conn).add_done_callback(
            lambda done: self.method_queue.defer(self.finish_request, conn, done)
        )
        if arrival.is_too_long:
            self._end_reading_of_oldest()

    def _end_reading_of_oldest(self) -> None:
        reading = [(conn, one) for conn, one in self._answered.items() if one.is_too_long and not one.is_cut_short]
        for conn, arrival in reading[:-_LONG_REQUESTS]:
            _end_reading(conn, arrival)

    def handle(self, conn: TConn) -> Any:
        """Answer a request, in a thread."""
        arrival = self._answered[conn]
        ARRIVAL.set(arrival)
        conn.data_ready = True
        conn.init()
        unreader = conn.parser.unreader
        unreader.sock = Received(arrival, conn.sock)
        may_go_on = super().handle(conn) and arrival.is_whole and not arrival.is_cut_short
        # Bytes after the request are not kept, and those that were never read must not be taken for the next one.
        return may_go_on and not arrival.chunks and not unreader.take_buffered()

    def handle_request(self, req: Any, conn: TConn) -> Any:
        """Answer a request whose headers are read."""
        # Said already, unless the request goes to a thread before its body came.
        req._expected_100_continue &= self._answered[conn].is_too_long
        return super().handle_request(req, conn)

    def finish_request(self, conn: TConn, done: "Future[Any]") -> None:
        """Keep or end the connection after an answer."""
        del self._answered[conn]
        if self._free_since is None:
            self._free_since = time.perf_counter()
        if self.alive and not done.cancelled() and done.exception() is None and not done.result():
            self._part(conn)
        else:
            super().finish_request(conn, done)

    def _part(self, conn: TConn) -> None:
        """End a connection once the client has read its answer: gunicorn would wait for that in the main loop."""
        conn.sock.setblocking(False)
        with suppress(OSError):  # the client is gone, which is noticed when reading
            conn.sock.shutdown(socket.SHUT_WR)
        self._parting[conn] = time.perf_counter()
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._await_end, conn))
        if len(self._parting) > self._limits["MAX_ARRIVALS"]:
            self._end(next(iter(self._parting)))

    def _await_end(self, conn: TConn, client: socket.socket) -> None:
        if conn not in self._parting:  # ended meanwhile
            return
        try:
            is_over = not client.recv(_BLOCK)
        except BlockingIOError:
            return
        except OSError:
            is_over = True
        if is_over:
            self._end(conn)

    def _end(self, conn: TConn) -> None:
        del self._parting[conn]
        self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()

    def murder_pending(self) -> None:
        """Called by the main loop every second at least: end what takes too long."""
        super().murder_pending()
        now = time.perf_counter()
        if self._free_since is not None and now - self._free_since > _KEPT_SECONDS:
            self._free_since = None
            give_back()
        seconds, silence = self._limits["REQUEST_SECONDS"], self._limits["SILENT_SECONDS"]
        for conn, arrival in list(self._arriving.items()):
            patience = seconds if arrival.size else self.cfg.keepalive if self.alive else 0
            if now - arrival.started > patience:
                self._give_up(conn)
        for conn, since in list(self._parting.items()):
            if now - since > _TO_PART_SECONDS:
                self._end(conn)
        for conn, arrival in list(self._answered.items()):
            # A request beyond what is collected may take as much longer as it is longer.
            limit = arrival.seconds or seconds * max(1, arrival.size / self._limits["MAX_CONTENT_LENGTH"])
            if (
                arrival.answered is not None
                and now - arrival.answered > (arrival.seconds or seconds) + _TO_READ_SECONDS
            ):
                with suppress(OSError):  # closed meanwhile
                    conn.sock.shutdown(socket.SHUT_RDWR)
            elif arrival.is_too_long and (now - arrival.started > limit or _is_silent(arrival, now, silence)):
                _end_reading(conn, arrival)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait for the network, but no longer than limits of time allow, also while the server stops."""
        super().wait_for_and_dispatch_events(min(timeout, _LOOK_SECONDS))

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop: requests are still answered, streams of events end."""
        if self.booted:
            self.wsgi.extensions["stopping"].set()
        super().handle_exit(sig, frame)


def _is_silent(arrival: Arrival, now: float, seconds: float) -> bool:
    awaited = arrival.awaited
    return awaited is not None and now - awaited > seconds


def _end_reading(conn: TConn, arrival: Arrival) -> None:
    """Let whoever still reads see the end, so that it can answer that the request came too slowly."""
    arrival.is_cut_short = True
    with suppress(OSError):  # closed meanwhile
        conn.sock.shutdown(socket.SHUT_RD)
