"""What a test sets in the account of its sandbox, and takes back afterwards."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

Control = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def control(sandbox) -> Iterator[Control]:
    """Return a function that asks the sandbox's own paths: control("PUT", "quotas", {...})."""

    def ask(method: str, table: str, body: Any = None) -> list[dict[str, Any]]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{sandbox.url}/_sandbox/{table}", data, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)[table]

    yield ask
    for table in ("quotas", "prices", "faults"):
        ask("DELETE", table)
