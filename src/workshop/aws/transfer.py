"""Files to and from S3, each with its size and its progress, without holding a whole file in memory."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from workshop.view.live import make_view

_TICK_S = 0.25


class Transfers:
    """Show the files of one transfer as they come; use it in a `with`.

    Args:
        title: For example "upload".
        num_bytes: Of all files together, for the bar.
    """

    def __init__(self, title: str, num_bytes: int) -> None:
        self._title, self._num_bytes = title, num_bytes
        self._view = make_view(title)
        self._done_bytes = self._moved_bytes = 0
        self._start_s = time.monotonic()
        self._lock = threading.Lock()
        self._is_stopped = threading.Event()

    def __enter__(self) -> Transfers:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        state = "done" if kind is None else "stopped" if kind is KeyboardInterrupt else "failed"
        seconds = time.monotonic() - self._start_s
        self._view.end(state, f"{self._title} · {state} · {size_text(self._done_bytes)} in {seconds:.1f} s")

    def skip(self, name: str, num_bytes: int) -> None:
        """Note a file that is there already."""
        self._done_bytes += num_bytes
        self._view.line(f"{name}  {size_text(num_bytes)}  already there")

    def note(self, text: str) -> None:
        """Show a line."""
        self._view.line(text)

    def run(self, name: str, num_bytes: int, move: Callable[[Callable[[int], None]], Any]) -> None:
        """Move one file in a thread while this one shows how far it is.

        Args:
            move: Gets a callback for the number of bytes moved since the last call, as boto3 wants it.

        Raises:
            KeyboardInterrupt: After the transfer has ended.
        """
        self._moved_bytes, start_s = 0, time.monotonic()
        with ThreadPoolExecutor(1, "transfer") as pool:
            future: Future = pool.submit(move, self._moved)
            try:
                while wait([future], _TICK_S).not_done:
                    done = self._done_bytes + self._moved_bytes
                    share = f"{name}  {size_text(self._moved_bytes)} of {size_text(num_bytes)}"
                    self._view.share(done / max(1, self._num_bytes), share)
                    self._view.tick()
            except KeyboardInterrupt:
                self._is_stopped.set()
                raise
        future.result()
        self._done_bytes += num_bytes
        self._view.share(self._done_bytes / max(1, self._num_bytes), "")
        self._view.line(f"{name}  {size_text(num_bytes)}  {time.monotonic() - start_s:.1f} s")

    def _moved(self, num_bytes: int) -> None:
        if self._is_stopped.is_set():  # boto3 gives up a transfer whose callback raises
            raise InterruptedError
        with self._lock:
            self._moved_bytes += num_bytes


def size_text(num_bytes: float) -> str:
    """Write a number of bytes as a person reads it: "15.0 GB", "820 kB"."""
    for unit in ("B", "kB", "MB"):
        if num_bytes < 999.5:
            return f"{num_bytes:.0f} {unit}" if unit != "MB" else f"{num_bytes:.1f} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.1f} GB"


def upload_file(s3: Any, path: Path, bucket: str, key: str, sha256: str, transfers: Transfers) -> None:
    """Upload a file, in parts when it is large, with its hash in the object's metadata."""
    transfers.run(
        path.name,
        path.stat().st_size,
        lambda moved: s3.upload_file(
            str(path), bucket, key, ExtraArgs={"Metadata": {"sha256": sha256}}, Callback=moved
        ),
    )


def upload_changed(
    s3: Any, path: Path, bucket: str, key: str, sha256: str, present: dict[str, int], transfers: Transfers
) -> None:
    """Upload a file, unless it is there with the same hash."""
    if key in present and stored_sha256(s3, bucket, key) == sha256:
        transfers.skip(path.name, present[key])
    else:
        upload_file(s3, path, bucket, key, sha256, transfers)


def file_sha256(path: Path) -> str:
    """Return the hash of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def stored(s3: Any, bucket: str, prefix: str) -> dict[str, int]:
    """Return the sizes in bytes of the objects below a prefix, by key."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return {item["Key"]: item["Size"] for page in pages for item in page.get("Contents", ())}


def stored_sha256(s3: Any, bucket: str, key: str) -> str:
    """Return the hash that `upload_file` kept with an object, or ""."""
    return s3.head_object(Bucket=bucket, Key=key)["Metadata"].get("sha256", "")
