"""An error shows the end of a log, one line below the other."""

from __future__ import annotations

from collections import deque

from workshop.view.process_output import NUM_ERROR_LINES, last_lines


def test_the_last_lines_stand_below_each_other() -> None:
    assert last_lines(["a", "b | c"]) == "\n  | a\n  | b | c"
    many = last_lines(deque(map(str, range(100)))).splitlines()[1:]
    assert many == [f"  | {number}" for number in range(100 - NUM_ERROR_LINES, 100)]


def test_the_program_s_own_error_stands_above_what_its_launcher_wrote_below_it() -> None:
    own = ["found     unknown key 'a'", "expected  a key", "do next   write 'b'?"]
    below = [f"launcher {number}" for number in range(NUM_ERROR_LINES)]
    shown = last_lines(["before", *own, "between", *below]).splitlines()[1:]
    assert shown == [f"  | {line}" for line in (*own, "...", *below)]
    assert last_lines([*own, *below[3:]]).splitlines()[1:] == [f"  | {line}" for line in (*own, *below[3:])]


def test_a_log_without_a_line_has_none() -> None:
    assert last_lines([]) == " none"
