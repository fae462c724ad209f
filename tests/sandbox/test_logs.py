"""Log streams: lines of processes, events for readers, files for the next start."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from types import SimpleNamespace

import pytest

from sandbox import logs
from sandbox.logs import MAX_EVENT_BYTES, LogStream, lines_of


def read_lines(*blocks: bytes) -> list[str]:
    """Return what `lines_of` makes of blocks that are read one by one."""
    waiting = [*blocks, b""]
    return list(lines_of(SimpleNamespace(read=lambda size: waiting.pop(0))))


@pytest.mark.parametrize(
    ("blocks", "lines"),
    [
        ([b"a\nb\n"], ["a", "b"]),
        ([b"a", b"b\nc"], ["ab", "c"]),
        ([b"a\r\nb\r", b"\nc\r\n"], ["a", "b", "c"]),
        ([b"10%\r20%\r", b"30%\n"], ["10%", "20%", "30%"]),
        ([b"\n\n"], ["", ""]),
        ([], []),
        (["뉴".encode()[:1], "뉴".encode()[1:], b"\n"], ["뉴"]),
        ([b"bad \xff byte\n"], ["bad \ufffd byte"]),
        ([b"cut \xeb"], ["cut \ufffd"]),
        ([b"end\r"], ["end"]),
        (["\u2028 is no line end\n".encode()], ["\u2028 is no line end"]),
    ],
)
def test_lines_of_a_process(blocks: list[bytes], lines: list[str]) -> None:
    assert read_lines(*blocks) == lines


def test_a_line_is_given_before_the_process_ends() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as pipe, os.fdopen(writing, "wb", buffering=0) as end:
        end.write(b"one\ntw")
        lines = lines_of(pipe)
        assert next(lines) == "one"
        end.write(b"o\n")
        assert next(lines) == "two"


def test_a_line_without_end_does_not_grow_for_ever() -> None:
    found = read_lines(*[b"x" * 65_536] * 9)
    assert len(found) == 3
    assert sum(map(len, found)) == 9 * 65_536


class Home:
    """What LogStream needs of the sandbox's context."""

    def __init__(self, path: Path) -> None:
        self.home = path


@pytest.fixture
def context(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def names() -> dict[str, str]:
    """A stream of its own: moto's logs belong to the whole process."""
    return {"region": "us-east-1", "group": f"/aws/{uuid.uuid4()}", "stream": "한글/algo-1-1"}


def events(names: dict[str, str]) -> list[tuple[int, str]]:
    stream = logs._backend(names["region"]).groups[names["group"]].streams[names["stream"]]
    return [(event.timestamp, event.message) for event in stream.events]


def delete_group(names: dict[str, str]) -> None:
    logs._backend(names["region"]).delete_log_group(names["group"])


def test_a_restored_stream_is_the_same(context: Home, names: dict[str, str]) -> None:
    stream = LogStream(context, **names)
    for line in ("하나", "", "two"):
        stream.write(line)
    stream.close()
    before = events(names)
    assert [message for _, message in before] == ["하나", "", "two"]
    delete_group(names)
    logs.restore(context)
    assert events(names) == before


def test_the_end_of_a_killed_writer_is_left_out(context: Home, names: dict[str, str]) -> None:
    stream = LogStream(context, **names)
    stream.write("whole")
    stream.close()
    (path,) = context.home.rglob("*.jsonl")
    with path.open("a") as file:
        file.write('[17000, "ha')
    stream = LogStream(context, **names)
    stream.write("after the restart")
    stream.close()
    delete_group(names)
    logs.restore(context)
    assert [message for _, message in events(names)] == ["whole", "after the restart"]


def test_a_long_line_becomes_events_of_the_largest_size_and_no_character_is_cut(
    context: Home, names: dict[str, str]
) -> None:
    line = "뉴스" * 100_000
    stream = LogStream(context, **names)
    stream.write(line)
    stream.close()
    parts = [message for _, message in events(names)]
    assert len(parts) == 3
    assert "".join(parts) == line
    assert all(len(part.encode()) + 26 <= MAX_EVENT_BYTES for part in parts)


def test_time_does_not_run_backwards(
    context: Home, names: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([100.0, 99.0, 101.0])
    monkeypatch.setattr("sandbox.logs.time.time", lambda: next(times))  # a clock cannot be asked to go back
    stream = LogStream(context, **names)
    for line in "abc":
        stream.write(line)
    stream.close()
    assert events(names) == [(100_000, "a"), (100_000, "b"), (101_000, "c")]


def test_a_stream_deleted_while_it_is_written_comes_back(context: Home, names: dict[str, str]) -> None:
    stream = LogStream(context, **names)
    stream.write("before")
    delete_group(names)
    stream.write("after")
    stream.close()
    assert [message for _, message in events(names)] == ["after"]


def test_deleted_streams_are_not_restored(context: Home, names: dict[str, str]) -> None:
    stream = LogStream(context, **names)
    stream.write("a")
    stream.close()
    logs.remove_deleted(context)
    assert len(list(context.home.rglob("*.jsonl"))) == 1
    delete_group(names)
    logs.remove_deleted(context)
    assert list(context.home.rglob("*.jsonl")) == []


def test_a_kept_line_is_json(context: Home, names: dict[str, str]) -> None:
    stream = LogStream(context, **names)
    stream.write('a "quoted"\ttab')
    stream.close()
    (path,) = context.home.rglob("*.jsonl")
    assert json.loads(path.read_text())[1] == 'a "quoted"\ttab'
