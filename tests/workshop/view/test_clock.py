"""A clock under a cell that shows nothing, in a real kernel; no clock is asserted to be on time."""

from __future__ import annotations

from typing import Any

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from workshop.notebooks.kernel import WatchedClient
from workshop.notebooks.outputs import readable
from workshop.view.clock import MARK, Clock

CELLS = [
    "from workshop.view import clock\nclock.SILENT_S, clock._TICK_S = 0.3, 0.1\n"
    "clock.show_clock_when_silent()\nclock.show_clock_when_silent()",
    "import threading, time\ntime.sleep(1)\nprint('its own')",
    "time.sleep(1)\n1 / 0",
    "print([one.name for one in threading.enumerate() if one.name == 'cell clock'])",
]


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    notebook = new_notebook(cells=[new_code_cell(source) for source in CELLS])
    folder = tmp_path_factory.mktemp("clock")
    resources = {"metadata": {"path": str(folder)}}
    WatchedClient(notebook, timeout=300, allow_errors=True, resources=resources).execute()
    return notebook


def test_a_silent_cell_gets_one_line_that_ends_with_how_long_it_took(executed: Any) -> None:
    clock, own = executed.cells[1].outputs
    assert clock.metadata == MARK
    assert clock.data["text/plain"].startswith("걸린 시간 · took ")
    assert own.text == "its own\n"


def test_a_cell_that_fails_ends_its_clock(executed: Any) -> None:
    clock, error = executed.cells[2].outputs
    assert clock.data["text/plain"].startswith("걸린 시간 · took ")
    assert error.ename == "ZeroDivisionError"
    assert executed.cells[3].outputs[0].text == "['cell clock']\n", (
        "that of the cell which asks, and no other"
    )


def test_the_report_has_no_clock_and_the_stopwatch_does_not_take_it_for_progress(executed: Any) -> None:
    assert [one.output_type for one in readable(executed).cells[1].outputs] == ["display_data"]
    assert "its own" in readable(executed).cells[1].outputs[0].data["text/html"]
    assert executed.cells[1].metadata["workshop"]["silent_s"] >= 1


def test_only_what_somebody_sees_counts_as_news(monkeypatch: pytest.MonkeyPatch) -> None:
    class Session:
        def __init__(self) -> None:
            self.sent: list[Any] = []

        def send(self, stream: Any, message: Any, **words: Any) -> None:
            self.sent.append(message)

    session, now_s = Session(), [10.0]
    monkeypatch.setattr("workshop.view.clock.time.monotonic", lambda: now_s[0])
    clock = Clock(session)
    for at_s, message, moved_s in [
        (11.0, "status", 0.0),
        (12.0, {"msg_type": "stream"}, 12.0),
        (13.0, {"msg_type": "execute_reply"}, 12.0),
        (14.0, "comm_msg", 14.0),
    ]:
        now_s[0] = at_s
        session.send(None, message)
        assert clock._moved_s == moved_s
    assert len(session.sent) == 4, "every message goes on as it was"
