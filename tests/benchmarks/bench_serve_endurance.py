"""10,000 requests of every kind at one server: good, streamed, malformed, too long, left by their clients.

Printed: how many ended in which way, memory before and after. What must not happen is asserted: a crash, a
request without an end, memory that grows with the number of requests.
pytest -s tests/benchmarks/bench_serve_endurance.py
"""

from __future__ import annotations

import json
import random
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from tests.serve.server_process import ServerProcess

NUM_REQUESTS = 10_000
NUM_WARM_UP = 2_000  # until libraries have their pools and kernels
NUM_USERS = 8
MAX_GROWTH_BYTES = 24 * 2**20
HEADERS = {"content-type": "application/json"}
MALFORMED = (
    b"{", b"\xff\xfe", b"[1]", b'{"inputs": 3}', b'{"inputs": "a", "parameters": {"top_p": NaN}}',
    b"[" * 9_999,
    b'{"inputs": "a", "parameters": {"max_new_tokens": -1}}', b'{"inputs": "a", "parameters": []}',
    b'{"messages": [{"role": "user"}]}', b'{"inputs": "\\ud83d"}',
)  # fmt: skip


@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("engine", ["transformers", "ctranslate2"])
def test_endurance(engine: str, tmp_path: Path) -> None:
    variables = {"SERVE_ENGINE": engine, "SERVE_CACHE_DIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    with ServerProcess(**variables) as server:
        port = urlsplit(server.ready().url).port
        process = psutil.Process(server.process.pid)
        ask_all(port, NUM_WARM_UP, seed=1)
        before_bytes, started_s = process.memory_info().rss, time.perf_counter()
        ended = ask_all(port, NUM_REQUESTS, seed=2)
        seconds = time.perf_counter() - started_s
        after_bytes, num_connections = process.memory_info().rss, len(process.net_connections())
        assert server.process.poll() is None
        status, text = answer(
            port, json.dumps({"inputs": "안녕", "parameters": {"max_new_tokens": 4}}).encode()
        )
    print(f"\n{engine}: {NUM_REQUESTS} requests in {seconds:.0f} s")
    for name, count in sorted(ended.items()):
        print(f"  {name:<24}{count:>7}")
    print(f"  memory {before_bytes / 2**20:.0f} -> {after_bytes / 2**20:.0f} MiB, sockets {num_connections}")
    assert sum(ended.values()) == NUM_REQUESTS
    assert not [name for name in ended if "500" in name]
    assert (status, bool(text)) == (200, True)
    assert after_bytes - before_bytes < MAX_GROWTH_BYTES
    assert num_connections < 4 * NUM_USERS


def ask_all(port: int, count: int, *, seed: int) -> Counter[str]:
    with ThreadPoolExecutor(NUM_USERS) as pool:
        return Counter(pool.map(lambda number: ask(port, random.Random(seed * 10**6 + number)), range(count)))


def ask(port: int, rng: random.Random) -> str:
    """Send one request of a kind that chance chooses; return how it ended."""
    kind = rng.choices(("plain", "stream", "malformed", "too long", "left"), (5, 3, 2, 1, 1))[0]
    text = "서울시는 지난 20일 새 공원을 열었다. " * rng.randint(1, 8)
    parameters = {"max_new_tokens": rng.randint(1, 12)}
    if kind == "malformed":
        status, _ = answer(port, rng.choice(MALFORMED))
        return f"{kind}: {status}"
    if kind == "too long":
        status, _ = answer(port, json.dumps({"inputs": text * 99, "parameters": parameters}).encode())
        return f"{kind}: {status}"
    body = {"inputs": text, "parameters": parameters, "stream": kind != "plain"}
    if kind == "left":
        return left(port, json.dumps(body | {"parameters": {"max_new_tokens": 400}}).encode())
    status, content = answer(port, json.dumps(body).encode())
    if kind == "stream":
        events = [json.loads(part[5:]) for part in content.decode().split("\n\n") if part.startswith("data:")]
        assert events[-1].get("generated_text") is not None or "error" in events[-1], content
    return f"{kind}: {status}"


def answer(port: int, body: bytes) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request("POST", "/invocations", body, HEADERS)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def left(port: int, body: bytes) -> str:
    """Send a request, read the first bytes of its answer, and go."""
    with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
        head = "POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        connection.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        connection.recv(64)
    return "left: gone"
