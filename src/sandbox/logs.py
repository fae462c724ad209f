"""Log streams of jobs and endpoints: in moto's CloudWatch Logs for readers, on disk for the next start."""

from __future__ import annotations

import codecs
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from sandbox.api.registry import ACCOUNT_ID

if TYPE_CHECKING:
    from sandbox.context import Context

MAX_EVENT_BYTES = 262_144  # an event of CloudWatch Logs, its 26 bytes of overhead included
_MAX_MESSAGE_BYTES = MAX_EVENT_BYTES - 26
_READ_BYTES = 65_536


class LogStream:
    """One stream, for writing: what is written can be read by GetLogEvents when `write` returns.

    Args:
        context: Whose home keeps the file, <home>/logs/<region>/<group>/<stream>.jsonl.
        region: Region of the log group.
        group: For example /aws/sagemaker/TrainingJobs.
        stream: For example news-1/algo-1-1700000000.
    """

    def __init__(self, context: Context, *, region: str, group: str, stream: str) -> None:
        self._region, self._group, self.name = region, group, stream
        path = _path(context.home, region, group, stream)
        path.parent.mkdir(parents=True, exist_ok=True)
        is_cut = path.exists() and not path.read_bytes().endswith(b"\n")  # its writer was killed
        self._file = path.open("a", encoding="utf-8")
        if is_cut:
            self._file.write("\n")
        self._lock = threading.Lock()
        self._last_ms = 0
        _moto_stream(region, group, stream)

    def write(self, line: str) -> None:
        """Add a line, as several events when it is longer than one may be; safe from any thread."""
        with self._lock:
            # Readers page by position in the order of time: it must not run backwards.
            self._last_ms = max(self._last_ms, int(time.time() * 1000))
            events = [{"timestamp": self._last_ms, "message": part} for part in _parts(line)]
            self._file.writelines(_line(event) for event in events)
            self._file.flush()
            _moto_stream(self._region, self._group, self.name).put_log_events(events)

    def close(self) -> None:
        """Close the file; the stream stays readable."""
        with self._lock:
            self._file.close()


def lines_of(pipe: IO[bytes]) -> Iterator[str]:
    """Yield the lines of a process's unbuffered output as they come, without their ends.

    A carriage return ends a line too, as progress bars write it; bytes that are not UTF-8 become U+FFFD; an
    unfinished line is given at the end, or when it is longer than an event may be.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    rest = ""
    while block := pipe.read(_READ_BYTES):
        text = rest + decoder.decode(block)
        # "\r\n" is one end, also when it is cut in two by the read: the \r waits for what follows.
        held = "\r" if text.endswith("\r") else ""
        lines = text.removesuffix("\r").replace("\r\n", "\n").replace("\r", "\n").split("\n")
        rest = lines.pop() + held
        yield from lines
        if len(rest) >= MAX_EVENT_BYTES:
            yield rest
            rest = ""
    rest += decoder.decode(b"", final=True)
    if rest:
        yield rest.removesuffix("\r")


def restore(context: Context) -> None:
    """Put the kept streams back into CloudWatch Logs after a restart."""
    for path in sorted((context.home / "logs").glob("*/*/*.jsonl")):
        region, group = path.parent.parent.name, unquote(path.parent.name)
        # `put_log_events` of the stream, not of the service: that one refuses events of past weeks.
        _moto_stream(region, group, unquote(path.stem)).put_log_events(list(_kept(path)))


def remove_deleted(context: Context) -> None:
    """Remove the files of streams that CloudWatch Logs no longer has: they must not come back."""
    for path in (context.home / "logs").glob("*/*/*.jsonl"):
        groups = _backend(path.parent.parent.name).groups
        group = groups.get(unquote(path.parent.name))
        if group is None or unquote(path.stem) not in group.streams:
            path.unlink(missing_ok=True)


def _kept(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            try:
                timestamp_ms, message = json.loads(line)
            except ValueError:  # the end of a file whose writer was killed
                continue
            yield {"timestamp": timestamp_ms, "message": message}


def _line(event: dict[str, Any]) -> str:
    return json.dumps([event["timestamp"], event["message"]], ensure_ascii=False) + "\n"


def _parts(line: str) -> list[str]:
    """Cut a line into pieces of at most an event's bytes, never inside a character."""
    if len(line) * 4 <= _MAX_MESSAGE_BYTES:
        return [line]
    raw, parts = line.encode("utf-8", "replace"), []
    while len(raw) > _MAX_MESSAGE_BYTES:
        end = _MAX_MESSAGE_BYTES
        while raw[end] & 0xC0 == 0x80:  # a continuation byte
            end -= 1
        parts.append(raw[:end].decode())
        raw = raw[end:]
    return [*parts, raw.decode()]


def _path(home: Path, region: str, group: str, stream: str) -> Path:
    return home / "logs" / region / quote(group, safe="") / f"{quote(stream, safe='')}.jsonl"


def _backend(region: str) -> Any:
    from moto.logs.models import logs_backends

    return logs_backends[ACCOUNT_ID][region]


def _moto_stream(region: str, group: str, stream: str) -> Any:
    """Return moto's stream, made anew if somebody deleted it meanwhile, as AWS's agent does."""
    backend = _backend(region)
    backend.ensure_log_group(group)
    backend.ensure_log_stream(group, stream)
    return backend.groups[group].streams[stream]
