"""HTTP as clients speak it: kept connections, bodies of every kind, and no web pages."""

from __future__ import annotations

import http.client
import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

HEADERS = {
    "X-Amz-Target": "SageMaker.ListModels",
    "Content-Type": "application/x-amz-json-1.1",
    "Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/sagemaker/aws4_request",
}


@pytest.fixture
def connection(sandbox) -> Iterator[http.client.HTTPConnection]:
    opened = http.client.HTTPConnection(urlsplit(sandbox.url).netloc, timeout=300)
    yield opened
    opened.close()


def exchange(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
    **options: Any,
) -> tuple[int, bytes]:
    signed = {"Authorization": HEADERS["Authorization"].replace("/sagemaker/", "/s3/")}  # moto looks at that
    connection.request(method, path, body, {**signed, **(headers or {})}, **options)
    answer = connection.getresponse()
    return answer.status, answer.read()


def raw(sandbox, request: bytes) -> bytes:
    """Send bytes, and return all that comes back until the connection ends."""
    address = urlsplit(sandbox.url)
    with socket.create_connection((address.hostname, address.port), timeout=300) as opened:
        opened.sendall(request)
        opened.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: opened.recv(65_536), b""))


def test_many_requests_of_every_kind_go_over_one_connection(connection) -> None:
    exchange(connection, "PUT", "/kept-connection")
    socket_of_first = connection.sock
    body = bytes(range(256)) * 1000
    assert exchange(connection, "PUT", "/kept-connection/k", body)[0] == 200
    assert exchange(connection, "GET", "/kept-connection/k") == (200, body)
    assert exchange(connection, "HEAD", "/kept-connection/k") == (200, b"")
    assert exchange(connection, "HEAD", "/kept-connection/none") == (404, b"")
    assert exchange(connection, "GET", "/kept-connection/none")[0] == 404
    assert exchange(connection, "DELETE", "/kept-connection/k") == (204, b"")
    assert exchange(connection, "PUT", "/no-such-bucket/k", body)[0] == 404, "its body is read all the same"
    assert exchange(connection, "POST", "/", b"{}", HEADERS)[0] == 200
    assert exchange(connection, "POST", "/", b"[]", HEADERS)[0] == 400
    assert exchange(connection, "HEAD", "/_sandbox/none") == (400, b"")
    assert exchange(connection, "GET", "/_sandbox/health")[0] == 200
    assert connection.sock is socket_of_first is not None


@pytest.mark.parametrize("sizes", [[], [1], [7, 100_000, 3], [1] * 300])
def test_a_body_in_chunks_is_a_body(connection, sizes: list[int]) -> None:
    parts = [b"x" * size for size in sizes]
    exchange(connection, "PUT", "/chunked")
    assert exchange(connection, "PUT", "/chunked/k", iter(parts), encode_chunked=True)[0] == 200
    assert exchange(connection, "GET", "/chunked/k") == (200, b"".join(parts))
    request = [b'{"Name', b'Contains": ', b'"a"}']
    chunked = {**HEADERS, "Transfer-Encoding": "chunked"}
    assert exchange(connection, "POST", "/", iter(request), chunked, encode_chunked=True)[0] == 200
    wrong = [b'{"MaxResults": ', b"0}"]
    status, answer = exchange(connection, "POST", "/", iter(wrong), chunked, encode_chunked=True)
    assert (status, json.loads(answer)["__type"]) == (400, "ValidationException")


def test_a_request_without_a_body_is_an_empty_one(connection) -> None:
    connection.putrequest("POST", "/")
    for name, value in HEADERS.items():
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.getresponse().status == 200


@pytest.mark.parametrize("length", ["-1", "ten", "1e3", "0x10", "²"])
def test_a_length_that_is_no_number_is_refused(sandbox, length: str) -> None:
    head = f"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\r\n"
    assert raw(sandbox, head.encode()).startswith(b"HTTP/1.1 400")


def test_a_body_that_is_too_large_is_refused_and_the_connection_goes_on(connection) -> None:
    status, answer = exchange(connection, "POST", "/", b" " * (9 << 20), HEADERS)
    assert (status, json.loads(answer)["__type"]) == (413, "RequestEntityTooLargeException")
    assert exchange(connection, "POST", "/", b"{}", HEADERS)[0] == 200


@pytest.mark.parametrize(
    "request_",
    [
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000000000\r\n\r\n{}",
        b"PUT /b/k HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"PUT /b/k HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"\x16\x03\x01 this is not HTTP\r\n\r\n",
        b"",
    ],
)
def test_half_a_request_ends_its_connection_and_nothing_else(sandbox, connection, request_: bytes) -> None:
    assert b" 200 " not in raw(sandbox, request_)
    assert exchange(connection, "GET", "/_sandbox/health")[0] == 200
    assert "Traceback" not in sandbox.log_path.read_text()


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /gone/large HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /gone HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"PUT /gone/k HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\nabc",
        b"PUT /gone?tagging HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"PUT /gone/k HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n",
    ],
)
@pytest.mark.parametrize("wait_s", [0.0, 0.001, 0.05])
def test_a_client_that_goes_away_leaves_no_traceback(
    sandbox, connection, request_: bytes, wait_s: float
) -> None:
    exchange(connection, "PUT", "/gone")
    exchange(connection, "PUT", "/gone/large", bytes(8 << 20))
    address = urlsplit(sandbox.url)
    for _ in range(3):
        with socket.create_connection((address.hostname, address.port), timeout=300) as opened:
            # A reset in place of an orderly end: what is being sent to it fails at once.
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            opened.sendall(request_)
            time.sleep(wait_s)
    assert exchange(connection, "GET", "/_sandbox/health")[0] == 200
    time.sleep(0.1)  # the other threads find out in their own time
    log = sandbox.log_path.read_text()
    assert "Traceback" not in log
    assert "Exception occurred" not in log


def test_a_client_of_http_1_0_is_answered_and_hung_up_on(sandbox) -> None:
    answer = raw(sandbox, b"GET /_sandbox/health HTTP/1.0\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"200 OK" in head
    assert json.loads(body)["status"] == "ok"
    assert b"chunked" not in head


def test_an_answer_to_head_has_no_body(sandbox) -> None:
    answer = raw(sandbox, b"HEAD /_sandbox/none HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.endswith(b"\r\n\r\n")


def test_a_body_is_asked_for_before_it_is_sent(sandbox) -> None:
    address = urlsplit(sandbox.url)
    with socket.create_connection((address.hostname, address.port), timeout=300) as opened:
        opened.sendall(
            b"PUT /expected HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n"
        )
        assert opened.recv(1000).startswith(b"HTTP/1.1 100")


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:80"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "10.0.0.1"},
        {"Host": "[::"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1.evil.example"},
    ],
)
def test_a_request_of_a_web_page_is_refused(sandbox, connection, headers: dict[str, str]) -> None:
    for method, path, more in (
        ("POST", "/", HEADERS),
        ("GET", "/_sandbox/health", {}),
        ("PUT", "/from-a-page", {}),
        ("OPTIONS", "/kept-connection", {}),
    ):
        status, _ = exchange(connection, method, path, b"{}", {**more, **headers})
        assert status == 403, (method, path)
    assert b"from-a-page" not in exchange(connection, "GET", "/")[1]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST:1", "[::1]:80"])
def test_every_name_of_this_machine_is_accepted(connection, host: str) -> None:
    headers = {"Host": host, "Origin": f"http://{host}"}
    assert exchange(connection, "GET", "/_sandbox/health", headers=headers)[0] == 200


def test_no_page_may_read_an_answer(connection) -> None:
    connection.request("GET", "/", headers={"Origin": "http://127.0.0.1:8888"})
    answer = connection.getresponse()
    answer.read()
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize(
    "path", ["/moto-api/reset", "/moto-api/", "/latest/meta-data/iam", "/_sandbox/reset"]
)
def test_the_back_doors_of_moto_are_closed(connection, path: str) -> None:
    exchange(connection, "PUT", "/still-there")
    assert exchange(connection, "POST", path)[0] == 400
    assert b"still-there" in exchange(connection, "GET", "/")[1]


def test_a_bucket_may_have_the_name_of_a_path_of_ours(sandbox) -> None:
    client = sandbox.client("s3")
    client.create_bucket(Bucket="endpoints")
    client.put_object(Bucket="endpoints", Key="x/invocations", Body=b"1")
    assert client.get_object(Bucket="endpoints", Key="x/invocations")["Body"].read() == b"1"


def test_it_listens_on_loopback_alone(sandbox) -> None:
    listening = [
        found.laddr.ip
        for found in psutil.Process(sandbox.pid).net_connections()
        if found.status == psutil.CONN_LISTEN
    ]
    assert listening == ["127.0.0.1"]


def test_sixty_four_clients_are_answered_at_once_and_their_threads_end(sandbox) -> None:
    process, problems = psutil.Process(sandbox.pid), []
    before = process.num_threads()
    start = threading.Barrier(64)

    def use(number: int) -> None:
        opened = http.client.HTTPConnection(urlsplit(sandbox.url).netloc, timeout=300)
        start.wait()
        for i in range(10):
            body = json.dumps({
                "ModelName": f"m{number}-{i}",
                "PrimaryContainer": {"Image": "i"},
                "ExecutionRoleArn": "arn:aws:iam::000000000000:role/service",
            })  # fmt: skip
            headers = {**HEADERS, "X-Amz-Target": "SageMaker.CreateModel"}
            status, answer = exchange(opened, "POST", "/", body, headers)
            if status != 200:
                problems.append(answer)
        opened.close()

    threads = [threading.Thread(target=use, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    kept = [*(sandbox.home / "resources").rglob("m*-*.json")]
    assert len(kept) == 640
    deadline_s = time.monotonic() + 300
    while process.num_threads() > before and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert process.num_threads() <= before
