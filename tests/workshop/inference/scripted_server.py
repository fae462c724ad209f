"""A real HTTP server that sends the bytes it is told to, and remembers what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Reply:
    """One answer.

    Args:
        body: Sent at once, or in these chunks.
        breaks: Close the connection in the middle, before the last chunk of the encoding.
    """

    body: bytes | Iterable[bytes] = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    breaks: bool = False


class ScriptedServer:
    """Answers requests with the given replies, in order; the last one again and again."""

    def __init__(self, *replies: Reply) -> None:
        self.bodies: list[bytes] = []
        self.paths: list[str] = []
        self.connections: set[tuple[str, int]] = set()
        remaining, lock, server = list(replies), threading.Lock(), self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with lock:
                    server.bodies.append(body)
                    server.paths.append(self.path)
                    server.connections.add(self.client_address)
                    reply = remaining.pop(0) if len(remaining) > 1 else remaining[0]
                self._send(reply)

            def do_GET(self) -> None:
                self.do_POST()

            def _send(self, reply: Reply) -> None:
                chunks = [reply.body] if isinstance(reply.body, bytes) else reply.body
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for chunk in filter(None, chunks):
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
                    self.wfile.flush()
                if reply.breaks:
                    self.close_connection = True
                else:
                    self.wfile.write(b"0\r\n\r\n")

            def log_message(self, *_: object) -> None:
                """Keep the tests' output to what the tests print."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
