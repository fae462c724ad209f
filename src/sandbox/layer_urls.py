"""Addresses of layers: whoever has one may fetch the layer for an hour, as with the signed ones of AWS.

    /_sandbox/layers/TOKEN      GET; a Range of bytes, too

Source: API reference, GetDownloadUrlForLayer ("pre-signed Amazon S3 download URL"). For how long is not
published.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sandbox.api.errors import AwsError

PREFIX = "/_sandbox/layers/"
_LASTS_S, _BLOCK_BYTES = 3600, 1 << 20
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_paths: dict[str, tuple[Path, float]] = {}
_lock = threading.Lock()


def new(host: str, path: Path) -> str:
    """Return an address for a file.

    Args:
        host: Of the sandbox, with its port, as the client has called it.
    """
    now_s = time.time()
    with _lock:
        for token in [token for token, (_, until_s) in _paths.items() if until_s < now_s]:
            del _paths[token]
        token = secrets.token_urlsafe(32)
        _paths[token] = (path, now_s + _LASTS_S)
    return f"http://{host}{PREFIX}{token}"


def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
    """Send the file of an address in blocks.

    Raises:
        AwsError: The address is not one, or its time is over; the file is gone; the range is none of it.
    """
    path, until_s = _paths.get(environ["PATH_INFO"].removeprefix(PREFIX), (Path(), 0.0))
    if environ["REQUEST_METHOD"] != "GET" or until_s < time.time():
        raise AwsError("AccessDenied", "Request has expired", status=403)
    if not path.is_file():
        raise AwsError("NoSuchKey", "The layer was deleted.", status=404)
    num_bytes = path.stat().st_size
    asked = _RANGE.fullmatch(environ.get("HTTP_RANGE", ""))
    first, last = (int(asked[1]), int(asked[2] or num_bytes)) if asked else (0, num_bytes)
    if asked and not first <= min(last, num_bytes - 1):
        raise AwsError("InvalidRange", "The requested range is not satisfiable", status=416)
    last = min(last, num_bytes - 1)
    headers = [("Content-Type", "application/octet-stream"), ("Content-Length", str(last - first + 1))]
    if asked:
        headers.append(("Content-Range", f"bytes {first}-{last}/{num_bytes}"))
    start_response("206 Partial Content" if asked else "200 OK", headers)
    return _blocks(path, first, last - first + 1)


def _blocks(path: Path, first: int, left: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(first)
        while left > 0 and (block := file.read(min(left, _BLOCK_BYTES))):
            left -= len(block)
            yield block
