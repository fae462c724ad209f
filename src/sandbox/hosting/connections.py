"""Requests to a container: connections that are kept open between them, and a deadline for each."""

from __future__ import annotations

import http.client
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Mapping

_BLOCK_BYTES = 65_536
# Shorter than the keep-alive of every common server (gunicorn's 2 s is the shortest): a connection is never
# taken in the moment in which the server gives it up, and so no request has to be sent twice.
_MAX_IDLE_S = 1.5


class Connections:
    """The open connections to one server.

    Args:
        port: Its port on 127.0.0.1.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: deque[tuple[float, http.client.HTTPConnection]] = deque()
        self._lock = threading.Lock()

    def send(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str], *, deadline_s: float
    ) -> Exchange:
        """Send a request and return when the answer's headers are there.

        Args:
            method: HTTP method.
            path: Path of the URL.
            body: Whole body.
            headers: Sent as they are.
            deadline_s: time.monotonic() of when it times out.

        Raises:
            TimeoutError: The deadline is over.
            OSError, http.client.HTTPException: No connection, or it broke.
        """
        kept = self._take()
        if kept:
            try:
                _set_deadline(kept.sock, deadline_s)
                kept.request(method, path, body, headers)
            except TimeoutError:
                kept.close()
                raise
            except (OSError, http.client.HTTPException):  # gave it up: the request did not arrive whole
                kept.close()
                kept = None
        connection = kept or self._send_new(method, path, body, headers, deadline_s)
        return Exchange(self, connection, deadline_s)

    def keep(self, connection: http.client.HTTPConnection) -> None:
        """Take a connection back whose answer has been read to its end."""
        with self._lock:
            self._idle.append((time.monotonic(), connection))

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            while self._idle:
                self._idle.pop()[1].close()

    def _take(self) -> http.client.HTTPConnection | None:
        with self._lock:
            while self._idle:
                since_s, connection = self._idle.pop()  # the one used last
                is_young = time.monotonic() - since_s < _MAX_IDLE_S
                # Bytes, or the end of the stream, on an idle connection: it is no longer usable.
                if is_young and not _readable([connection.sock], 0):
                    return connection
                connection.close()
        return None

    def _send_new(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str], deadline_s: float
    ) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_left(deadline_s))
        try:
            connection.connect()
            _set_deadline(connection.sock, deadline_s)
            connection.request(method, path, body, headers)
        except BaseException:
            connection.close()
            raise
        return connection


class Exchange:
    """A request that was sent, and its answer as it comes.

    Raises:
        TimeoutError: The deadline passed before the answer's headers came.
        OSError, http.client.HTTPException: The connection broke.
    """

    def __init__(
        self, connections: Connections, connection: http.client.HTTPConnection, deadline_s: float
    ) -> None:
        self._connections, self._connection, self._deadline_s = connections, connection, deadline_s
        self._socket = connection.sock  # http.client drops it when the server will close
        try:
            _set_deadline(self._socket, deadline_s)
            self._response = connection.getresponse()
        except BaseException:
            connection.close()
            raise

    @property
    def status(self) -> int:
        return self._response.status

    def header(self, name: str) -> str | None:
        return self._response.getheader(name)

    @property
    def headers(self) -> list[tuple[str, str]]:
        return self._response.getheaders()

    def allow(self, more_s: float) -> None:
        """Give the answer more time than the request was sent with."""
        self._deadline_s += more_s

    def read(self) -> bytes:
        """Return the whole body.

        Raises:
            TimeoutError: The deadline passed.
            OSError, http.client.HTTPException: The connection broke before the end.
        """
        blocks = []
        while block := self._read_some():
            blocks.append(block)
        return b"".join(blocks)

    def read_next(self, client: socket.socket | None) -> bytes | None:
        """Return what has come, as soon as anything has; b"" at the end, None when the client has gone.

        Args:
            client: The caller's connection, watched while nothing comes.

        Raises:
            TimeoutError: The deadline passed.
            OSError, http.client.HTTPException: The connection broke before the end.
        """
        if not self._is_complete and not self._has_buffered():
            watched = [self._socket, *([client] if client else [])]
            ready = _readable(watched, _left(self._deadline_s))
            if not ready:
                raise TimeoutError
            # A client that sends more while it reads is odd, but not gone.
            if client and client.fileno() in ready and not client.recv(1, socket.MSG_PEEK):
                return None
        return self._read_some()

    def close(self) -> None:
        """Keep the connection if the answer was read to its end; break it off otherwise."""
        is_complete = self._is_complete
        self._response.close()
        if is_complete and not self._response.will_close:
            self._connections.keep(self._connection)
        else:
            self._connection.close()

    @property
    def _is_complete(self) -> bool:
        # http.client closes the answer itself, but not when read1 took the last byte of a known length.
        return self._response.isclosed() or self._response.length == 0

    def _has_buffered(self) -> bool:
        self._socket.settimeout(0)  # peek asks the socket when nothing is buffered
        buffered = self._response.fp.peek(1)
        # After the last byte of a chunk only its line end may be there, which is nothing to pass on.
        is_at_chunk_end = self._response.chunked and self._response.chunk_left == 0
        return len(buffered) > (len(b"\r\n") if is_at_chunk_end else 0)

    def _read_some(self) -> bytes:
        if self._is_complete:
            return b""
        _set_deadline(self._socket, self._deadline_s)
        block = self._response.read1(_BLOCK_BYTES)
        if not block and self._response.length:
            raise http.client.IncompleteRead(b"", self._response.length)
        return block


def _readable(sockets: list[socket.socket], timeout_s: float) -> set[int]:
    """Return the numbers of those sockets that can be read; not by select(), which ends at number 1,024."""
    poll = select.poll()
    for each in sockets:
        poll.register(each, select.POLLIN)
    return {number for number, _ in poll.poll(timeout_s * 1000)}


def _set_deadline(connected: socket.socket, deadline_s: float) -> None:
    connected.settimeout(_left(deadline_s))


def _left(deadline_s: float) -> float:
    """Return the seconds until a deadline.

    Raises:
        TimeoutError: It has passed.
    """
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s
