"""A transfer shows how far it is, and an interrupt ends it."""

from __future__ import annotations

import _thread
import threading
import time

import pytest

from workshop.aws.transfer import Transfers, size_text


def test_every_file_is_named_with_its_size(capsys: pytest.CaptureFixture) -> None:
    with Transfers("upload", 3_500_000) as shown:
        shown.run("model.safetensors", 2_500_000, lambda moved: moved(2_500_000))
        shown.skip("config.json", 1_000_000)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("model.safetensors  2.5 MB  ")
    assert lines[1] == "config.json  1.0 MB  already there"
    assert lines[2].startswith("upload · done · 3.5 MB in ")


def test_a_failed_move_is_raised_and_shown(capsys: pytest.CaptureFixture) -> None:
    def move(moved: object) -> None:
        raise ConnectionError("reset")

    with pytest.raises(ConnectionError), Transfers("upload", 1) as shown:
        shown.run("a", 1, move)
    assert "upload · failed" in capsys.readouterr().out


def test_an_interrupt_ends_the_move(capsys: pytest.CaptureFixture) -> None:
    ended = threading.Event()

    def move(moved) -> None:  # as boto3 does: a callback for every block, and an end when it raises
        threading.Timer(0.3, _thread.interrupt_main).start()
        try:
            while True:
                moved(1)
                time.sleep(0.01)
        finally:
            ended.set()

    with pytest.raises(KeyboardInterrupt), Transfers("upload", 1) as shown:
        shown.run("a", 1, move)
    assert ended.wait(300)
    assert "upload · stopped" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("num_bytes", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (999_600, "1.0 MB"), (16_060_000_000, "16.1 GB")],
)
def test_sizes_are_written_for_people(num_bytes: int, text: str) -> None:
    assert size_text(num_bytes) == text
