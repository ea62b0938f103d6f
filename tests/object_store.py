"""An S3 server on this machine, and a connection to it that tests cut."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import fsspec
from moto.server import ThreadedMotoServer

BUCKET = "slices"
ACCOUNT = {"key": "a-key-of-the-tests", "secret": "a-secret-of-the-tests"}
_REQUEST = re.compile(rb"^(GET|PUT|DELETE|HEAD) /(\S*) HTTP/1", re.MULTILINE)


class Line:
    """A connection to a server, which notes what is asked, and may be cut.

    Attributes:
        port: On this machine.
        asked: Methods and addresses.
    """

    def __init__(self, to: tuple[str, int]) -> None:
        self._to = to
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._answered = 0
        self._lock = threading.Lock()
        self.port = self._listening.getsockname()[1]
        self.asked: list[str] = []
        self._cuts: list[int] = []
        self._is_down = False
        self._last: tuple[str, int] | None = None
        threading.Thread(target=self._accept, daemon=True).start()

    def credentials(self, **changes: Any) -> dict[str, Any]:
        """What s3fs needs to come by this line; it gives up soon."""
        once = {"retries": {"total_max_attempts": 1}}
        return ACCOUNT | {"endpoint_url": f"http://127.0.0.1:{self.port}", "config_kwargs": once} | changes

    def files(self) -> Any:
        """The file system, for tests to look into it."""
        return fsspec.filesystem("s3", **self.credentials())

    def cut_after(self, *answered: int) -> None:
        """Lose a connection in the middle of an answer, each time that so many bytes were answered from now on."""
        with self._lock:
            self._answered = 0
            self._cuts = list(answered)

    def go_down_after(self, times: int, part: str) -> None:
        """Close every connection once something was asked for more often, by a part of method and address."""
        self.asked.clear()
        self._last = (part, times)

    def come_back(self) -> None:
        """Take connections again."""
        self.asked.clear()
        self._last, self._is_down = None, False

    @property
    def was_cut(self) -> bool:
        """Whether all of that has happened."""
        return not self._cuts

    def close(self) -> None:
        """Take no more connections."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                if self._is_down:
                    client.close()
                    continue
                server = socket.create_connection(self._to)
                for pump, ends in ((self._ask, (client, server)), (self._answer, (server, client))):
                    threading.Thread(target=pump, args=ends, daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError), client, server:
            while block := client.recv(65_536):
                self.asked += [b" ".join(found).decode() for found in _REQUEST.findall(block)]
                if self._last is not None:
                    part, times = self._last
                    self._is_down |= sum(part in asked for asked in self.asked) > times
                if self._is_down:
                    return
                server.sendall(block)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError), server, client:
            while block := server.recv(65_536):
                kept = self._until_cut(len(block))
                client.sendall(block[:kept])
                if kept < len(block) or self._is_down:
                    client.shutdown(socket.SHUT_RDWR)
                    return

    def _until_cut(self, size: int) -> int:
        with self._lock:
            before, self._answered = self._answered, self._answered + size
            if not self._cuts or self._answered <= self._cuts[0]:
                return size
            return max(0, self._cuts.pop(0) - before)


@contextmanager
def line_to_s3() -> Iterator[Line]:
    """Start the server, with one empty bucket, and give a line to it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    line = Line(server.get_host_and_port())
    line.files().makedirs(BUCKET, exist_ok=True)  # moto keeps it as long as the process lives
    try:
        yield line
    finally:
        line.close()
        server.stop()
