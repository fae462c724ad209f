"""What tests of every dialect send and read."""

from __future__ import annotations

import json
import socket
from typing import Any
from urllib.parse import urlsplit

import requests
from tests.serve.server_process import ServerProcess

MESSAGES = [
    {"role": "system", "content": "뉴스를 요약합니다."},
    {"role": "user", "content": "안녕하세요 😀 한국 뉴스"},
]


def post(server: ServerProcess, route: str, body: Any, **options: Any) -> requests.Response:
    return requests.post(server.url + route, json=body, timeout=300, **options)


def chat(*, messages: Any = MESSAGES, max_tokens: int = 8, **fields: Any) -> dict[str, Any]:
    return {"messages": messages, "max_tokens": max_tokens, "temperature": 0} | fields


def completion(*, prompt: Any = "안녕하세요", max_tokens: int = 8, **fields: Any) -> dict[str, Any]:
    return {"prompt": prompt, "max_tokens": max_tokens, "temperature": 0} | fields


def chunks(response: requests.Response) -> list[dict[str, Any]]:
    """Return the chunks of a stream that ends exactly as OpenAI's clients need it."""
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream"
    *parts, done, nothing = response.content.decode("utf-8").split("\n\n")
    assert (done, nothing) == ("data: [DONE]", "")
    assert all(part.startswith("data: {") for part in parts)
    return [json.loads(part.removeprefix("data: ")) for part in parts]


def lines(response: requests.Response) -> list[dict[str, Any]]:
    """Return the objects of JSON lines."""
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/jsonlines"
    *parts, nothing = response.content.decode("utf-8").split("\n")
    assert nothing == ""
    return [json.loads(part) for part in parts]


def open_stream(server: ServerProcess, route: str, body: Any, *, receive_bytes: int = 0) -> socket.socket:
    """Send a request and read the first bytes of its stream's body.

    Args:
        server: To ask.
        route: Path.
        body: JSON.
        receive_bytes: Of the connection's buffer; 0 leaves it as it is.
    """
    address = urlsplit(server.url)
    connection = socket.socket()
    if receive_bytes:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    connection.settimeout(300)
    connection.connect((address.hostname, address.port))
    data = json.dumps(body).encode()
    head = f"POST {route} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
    connection.sendall(f"{head}content-length: {len(data)}\r\n\r\n".encode() + data)
    received = b""
    while b"\r\n\r\n" not in received or received.endswith(b"\r\n\r\n"):
        new = connection.recv(512)
        assert new, "the stream ended early"
        received += new
    return connection
