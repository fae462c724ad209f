"""Connections to a server are kept, and given up in time."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from sandbox.hosting import connections
from sandbox.hosting.connections import Connections

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Answers with fixed bytes and counts connections and requests."""

    def __init__(self, answers: Callable[[int], bytes | None]) -> None:
        self.num_connections = self.num_requests = 0
        self._answers = answers
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        _end(self._socket)
        self.drop()

    def drop(self) -> None:
        """Close every connection, as a server does with idle ones."""
        for each in self._open:
            _end(each)

    def _accept(self) -> None:
        while True:
            try:
                connected, _ = self._socket.accept()
            except OSError:
                return
            self.num_connections += 1
            self._open.append(connected)
            threading.Thread(target=self._serve, args=(connected,), daemon=True).start()

    def _serve(self, connected: socket.socket) -> None:
        try:
            while connected.recv(65536):
                self.num_requests += 1
                answer = self._answers(self.num_requests)
                if answer is None:
                    connected.close()
                    return
                connected.sendall(answer)
        except OSError:
            return


def _end(each: socket.socket) -> None:
    with contextlib.suppress(OSError):  # closed before
        each.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits for it
    each.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., tuple[Server, Connections]]]:
    servers: list[Server] = []

    def start(answers: Callable[[int], bytes | None] = lambda _: OK) -> tuple[Server, Connections]:
        servers.append(Server(answers))
        return servers[-1], Connections(servers[-1].port)

    yield start
    for server in servers:
        server.close()


def ask(pool: Connections, timeout_s: float = 300) -> bytes:
    exchange = pool.send("POST", "/x", b"", {}, deadline_s=time.monotonic() + timeout_s)
    try:
        return exchange.read()
    finally:
        exchange.close()


def test_requests_one_after_the_other_use_one_connection(serve: Callable) -> None:
    server, pool = serve()
    assert [ask(pool) for _ in range(5)] == [b"ok"] * 5
    assert (server.num_connections, server.num_requests) == (1, 5)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ],
)
def test_an_answer_of_any_framing_keeps_the_connection(serve: Callable, answer: bytes) -> None:
    server, pool = serve(lambda _: answer)
    assert ask(pool) == ask(pool)
    assert server.num_connections == 1


def test_a_connection_that_the_server_closed_is_not_used_again(serve: Callable) -> None:
    server, pool = serve()
    ask(pool)
    server.drop()
    assert ask(pool) == b"ok"
    assert (server.num_connections, server.num_requests) == (2, 2)


def test_a_connection_is_not_used_again_after_a_while(
    serve: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, pool = serve()
    ask(pool)
    monkeypatch.setattr(connections, "_MAX_IDLE_S", 0.0)
    ask(pool)
    assert server.num_connections == 2


def test_a_request_that_arrived_is_never_sent_twice(serve: Callable) -> None:
    server, pool = serve(lambda number: OK if number == 1 else None)
    ask(pool)
    with pytest.raises((OSError, http.client.HTTPException)):
        ask(pool)
    assert server.num_requests == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nok",
    ],
)
def test_an_answer_that_was_cut_is_an_error(serve: Callable, answer: bytes) -> None:
    server, pool = serve(lambda _: answer)
    threading.Timer(0.2, server.drop).start()
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        ask(pool)


def test_silence_ends_at_the_deadline(serve: Callable) -> None:
    _, pool = serve(lambda _: b"")
    with pytest.raises(TimeoutError):
        ask(pool, 0.2)


def test_nobody_there_is_an_error_at_once(serve: Callable) -> None:
    server, pool = serve()
    server.close()
    with pytest.raises(OSError):  # noqa: PT011 - which one depends on the system
        ask(pool)
