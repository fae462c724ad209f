"""HTTP/1.1 with kept connections for a WSGI application; werkzeug's own server closes each one.

A kept connection saves boto3 a new connection, and us a new thread, for every call. It is only safe when each
request's body has been read to its end before the next request line: see `_Body`.
"""

from __future__ import annotations

import contextlib
import io
import logging
import socket
import sys
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from sandbox.memory import trim_heap

_IDLE_TIMEOUT_S = 60.0
_MAX_WAITING = 128
_BLOCK_BYTES = 1 << 20
_MAX_LINE_BYTES = 1 << 12
_LARGE_BYTES = 8 << 20
_MAX_READ_BYTES = 1 << 30  # a buffer of that size is made, and a length can say anything
_NO_BODY = {204, 304}
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_S3_METADATA = "x-amz-meta-"
# Under which moto looks for the spelling of headers that WSGI does not keep.
_MOTO_HEADER_NAMES = "moto.preserved_header_names"

Application = Callable[[dict[str, Any], Callable[..., Any]], Any]


class ClientGoneError(ConnectionError):
    """The client ended in the middle of its request, or what it sends is not HTTP."""


def bind(application: Application, port: int) -> BaseWSGIServer:
    """Return a server that listens on loopback, a thread a connection.

    Raises:
        OSError: The port is taken.
    """
    # Left to itself werkzeug ends the process when the port is taken.
    with socket.create_server(("127.0.0.1", port), backlog=_MAX_WAITING) as listening:
        port = listening.getsockname()[1]
        return make_server(
            "127.0.0.1",
            port,
            application,
            threaded=True,
            request_handler=Handler,
            fd=listening.fileno(),
        )


class Handler(WSGIRequestHandler):
    """One connection, and its requests one after the other."""

    disable_nagle_algorithm = True
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_TIMEOUT_S
    wbufsize = -1  # the head and the body of a short answer in one packet

    def run_wsgi(self) -> None:
        """Answer one request."""
        answer = _Answer(self)
        try:
            if (problem := self._problem()) is not None:
                return answer.error(*problem)
            environ = self.make_environ()
            body = environ["wsgi.input"] = _Body(environ, self.rfile)
            answer.send(self.server.app(environ, answer.start))
            body.skip()
            del environ
            if answer.num_bytes + body.num_bytes >= _LARGE_BYTES:
                trim_heap()
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        except Exception:
            logging.getLogger("sandbox").error(traceback.format_exc())
            self.close_connection = True  # what was sent so far is not a whole answer
            if not answer.is_begun:
                answer.error(500, "the sandbox failed; see its log")

    def make_environ(self) -> dict[str, Any]:
        """Return WSGI's variables; names of S3 metadata keep their underscores, as in moto's server."""
        environ = super().make_environ()
        names = environ[_MOTO_HEADER_NAMES] = {}
        for name, value in self.headers.items():
            if name.lower().startswith(_S3_METADATA) and "_" in name:
                key = f"HTTP_{name.upper().replace('-', '_')}"
                names[key] = name
                environ[key] = value
        return environ

    def handle_expect_100(self) -> bool:
        """Let the client send its body; the base class would do so before it looked at the rest."""
        if self._problem() is None:
            super().handle_expect_100()
            self.wfile.flush()
        return True

    def finish(self) -> None:
        """Close the connection; what is left to send to a client that went away is nobody's problem."""
        with contextlib.suppress(ConnectionError, TimeoutError):
            super().finish()

    def log(self, type: str, message: str, *args: Any) -> None:
        """Write no line a request, and none when an idle connection ends."""

    def _problem(self) -> tuple[int, str] | None:
        """Return status and text for a request that is not answered; None for all others.

        A page in a browser can send requests to loopback: from another site (it says so in Origin), or
        under a name of its own that it lets point to 127.0.0.1 (it is in Host).
        """
        host, origin = self.headers.get("Host"), self.headers.get("Origin")
        if host is not None and not _is_loopback(f"//{host}"):
            return 403, f"Host {host[:100]} is not this machine; use http://127.0.0.1"
        if origin is not None and not _is_loopback(origin):
            return 403, "web pages cannot use the sandbox"
        length = self.headers.get("Content-Length", "0").strip()
        if not (length.isascii() and length.isdigit()):
            return 400, f"Content-Length {length[:40]} is not a number"
        return None


class _Answer:
    """One answer on its way: head, then body, in chunks when its length is not known."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._head: tuple[str, list[tuple[str, str]]] | None = None
        self._is_chunked = False
        self.is_begun = False
        self.num_bytes = 0

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[..., None]:
        """Take the head, as WSGI's start_response."""
        self._head = status, headers
        return self._write

    def send(self, body: Any) -> None:
        """Send head and body."""
        try:
            for part in body:
                self._write(part)
                if self._is_chunked:  # a stream: each part as it comes
                    self._handler.wfile.flush()
            if not self.is_begun:
                self._begin()
            if self._is_chunked:
                self._handler.wfile.write(b"0\r\n\r\n")
            self._handler.wfile.flush()
        finally:
            if hasattr(body, "close"):
                body.close()

    def error(self, status: int, text: str) -> None:
        """Answer with an error before the request is read, and end the connection."""
        self._handler.close_connection = True
        body = text.encode()
        self._head = f"{status} Error", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
        self.send([body])

    def _begin(self) -> None:
        handler, (status, headers) = self._handler, self._head
        code, _, reason = status.partition(" ")
        handler.send_response_only(int(code), reason)
        names = {name.lower() for name, _ in headers}
        if "date" not in names:
            handler.send_header("Date", handler.date_time_string())
        for name, value in headers:
            handler.send_header(name, value)
        self._has_body = handler.command != "HEAD" and int(code) not in _NO_BODY
        if self._has_body and "content-length" not in names:
            self._is_chunked = handler.request_version >= "HTTP/1.1"
            if self._is_chunked:
                handler.send_header("Transfer-Encoding", "chunked")
            else:
                handler.close_connection = True  # the end of the connection is the end of the body
        if handler.close_connection:
            handler.send_header("Connection", "close")
        handler.end_headers()
        self.is_begun = True

    def _write(self, data: bytes) -> None:
        if not self.is_begun:
            self._begin()
        self.num_bytes += len(data)
        if data and self._has_body:
            wfile = self._handler.wfile
            wfile.write(b"%x\r\n%b\r\n" % (len(data), data) if self._is_chunked else data)


class _Body(io.RawIOBase):
    """The body of one request: ends where it ends, whether its length is known or it comes in chunks."""

    def __init__(self, environ: dict[str, Any], rfile: Any) -> None:
        self._rfile = rfile
        self._has_more_chunks = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
        if self._has_more_chunks:
            environ.pop("CONTENT_LENGTH", None)
        self._num_left = int(environ.get("CONTENT_LENGTH") or 0)  # of the chunk, or of everything
        self.num_bytes = 0  # read so far
        # werkzeug takes a body without a length for an empty one otherwise.
        environ["wsgi.input_terminated"] = True

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer, with less at the end of the body.

        Raises:
            ClientGoneError: The client ended before its body did.
        """
        part = self._part(len(buffer))
        buffer[: len(part)] = part
        return len(part)

    def read(self, size: int | None = -1) -> bytes:
        """Return up to `size` bytes, less only at the end; Python's own would make a buffer of that size."""
        parts, num_left = [], sys.maxsize if size is None or size < 0 else size
        while num_left and (part := self._part(num_left)):
            parts.append(part)
            num_left -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def skip(self) -> None:
        """Read what the application left: the next request stands behind it."""
        while self._part(_BLOCK_BYTES):
            pass

    def _part(self, max_bytes: int) -> bytes:
        try:
            return self._read(max_bytes)
        except (ConnectionError, TimeoutError) as problem:  # reset, or silent for too long
            raise ClientGoneError(str(problem)) from problem

    def _read(self, max_bytes: int) -> bytes:
        if not self._num_left and self._has_more_chunks:
            self._next_chunk()
        wanted = min(max_bytes, self._num_left, _MAX_READ_BYTES)
        part = self._rfile.read(wanted) if wanted else b""
        if len(part) < wanted:
            raise ClientGoneError("the connection ended in the middle of a request")
        self._num_left -= len(part)
        self.num_bytes += len(part)
        if self._has_more_chunks and not self._num_left:
            self._rfile.readline(_MAX_LINE_BYTES)  # the line end after the chunk
        return part

    def _next_chunk(self) -> None:
        line = self._rfile.readline(_MAX_LINE_BYTES)
        try:
            self._num_left = int(line.partition(b";")[0], 16)
        except ValueError:
            raise ClientGoneError("no chunk where one has to be") from None
        if not self._num_left:
            self._has_more_chunks = False
            while self._rfile.readline(_MAX_LINE_BYTES).strip():  # trailers
                pass


def _is_loopback(url: str) -> bool:
    try:
        return urlsplit(url).hostname in _LOOPBACK
    except ValueError:
        return False
