"""The ledger is the sum of its parts, whoever writes to it and however a writer ends."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from tests.workshop.fallback.conftest import Clock

from workshop.errors import WorkshopError
from workshop.fallback import AnswerLedger, Attempt, FallbackAnswer
from workshop.fallback.machine_time import MachineTime, usd_of
from workshop.fallback.rungs import Rung
from workshop.settings import find_repo_dir

RANDOM = random.Random(7)


def answer(*whys: str, cost: Decimal | None = None, rungs: tuple[str, ...] = ("tuned", "base", "lead-3")):
    attempts = tuple(
        Attempt(
            rung=rung,
            why=why,
            seconds=RANDOM.random(),
            input_tokens=RANDOM.randrange(900),
            output_tokens=RANDOM.randrange(160),
            cost_usd=usd_of(RANDOM.random(), 7.09) if cost is None else cost,
        )
        for rung, why in zip(rungs, whys, strict=False)
    )
    last = attempts[-1].rung
    return FallbackAnswer(
        text="비밀", rung=last, attempts=attempts, latency_s=1.5, budget_s=4, quality={"grounded": 1.0}
    )


def test_totals_equal_the_sum_of_all_attempts_to_the_last_digit(tmp_path: Path) -> None:
    ledger = AnswerLedger(tmp_path / "new" / "answers.jsonl")
    answers = [answer("throttled", "answered") for _ in range(300)] + [answer("answered") for _ in range(300)]
    for one in answers:
        ledger.keep(one)
    totals = ledger.totals()
    parts = [attempt for one in answers for attempt in one.attempts]
    exact = sum(Fraction(part.cost_usd) for part in parts)
    assert Fraction(totals["cost_usd"]) == exact == sum(Fraction(one.cost_usd) for one in answers)
    assert totals["input_tokens"] == sum(part.input_tokens for part in parts)
    assert totals["output_tokens"] == sum(part.output_tokens for part in parts)
    assert (totals["answers"], totals["attempts"], totals["fell_back"]) == (600, 900, 300)
    assert ledger.table()["USD"].sum() == pytest.approx(float(exact))
    shown = ["answers", "attempts", "failed", "passed over"]
    assert ledger.table().loc["tuned", shown].tolist() == [300, 600, 300, 0]
    assert ledger.reasons().loc["tuned", "throttled"] == 300


def test_asked_twice_is_no_fallback_and_passed_over_is_no_attempt(tmp_path: Path) -> None:
    ledger = AnswerLedger(tmp_path / "answers.jsonl")
    ledger.keep(answer("throttled", "answered", rungs=("tuned", "tuned")))
    ledger.keep(answer("breaker open", "answered"))
    assert ledger.totals()["fell_back"] == 1
    shown = ["answers", "attempts", "failed", "passed over"]
    assert ledger.table().loc["tuned", shown].tolist() == [1, 2, 1, 1]


def test_no_text_of_a_question_or_an_answer_is_kept(tmp_path: Path) -> None:
    ledger = AnswerLedger(tmp_path / "answers.jsonl")
    ledger.keep(answer("answered"), user="u17")
    assert "비밀" not in ledger.path.read_text(encoding="utf-8")
    assert ledger.rows()[0]["details"] == {"user": "u17"}


# Writes answers without end and says how many are kept; the sum of each is 0.000000002 USD.
WRITER = """
import sys
from decimal import Decimal
from pathlib import Path
from workshop.fallback import AnswerLedger, Attempt, FallbackAnswer
parts = tuple(Attempt(rung=r, why="answered", cost_usd=Decimal("0.000000001")) for r in ("tuned", "base"))
answer = FallbackAnswer(text="", rung="base", attempts=parts, latency_s=1, budget_s=4)
ledger = AnswerLedger(Path(sys.argv[1]))
for number in range(10**6):
    ledger.keep(answer, note="가" * 3000)
    print(number + 1, flush=True)
"""


def test_threads_and_killed_processes_lose_no_line_that_was_kept(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(find_repo_dir() / "src")},
        )
        for _ in range(2)
    ]
    for writer in writers:
        assert writer.stdout.readline() == "1\n"
    with ThreadPoolExecutor(8) as pool:
        own = [pool.submit(AnswerLedger(path).keep, answer("answered", cost=Decimal(0))) for _ in range(100)]
    for writer in writers:
        writer.kill()
        writer.wait()
    num_said = sum(1 + len(writer.stdout.read().splitlines()) for writer in writers)
    assert [one.result() for one in own] == [None] * 100
    totals = AnswerLedger(path).totals()
    assert num_said + 100 <= totals["answers"] <= num_said + 2 + 100
    assert totals["cost_usd"] == (totals["answers"] - 100) * Decimal("0.000000002")


@pytest.mark.parametrize("num_kept_bytes", [1, 40, -1])
def test_a_writer_killed_in_the_middle_loses_its_line_alone(
    num_kept_bytes: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = AnswerLedger(tmp_path / "answers.jsonl")
    for _ in range(3):
        ledger.keep(answer("answered", cost=Decimal("0.001")))
    lines = ledger.path.read_bytes().splitlines(keepends=True)
    ledger.path.write_bytes(b"".join(lines[:2]) + lines[2][:num_kept_bytes].removesuffix(b"}"))
    ledger.keep(answer("answered", cost=Decimal("0.001")))
    assert ledger.totals()["cost_usd"] == Decimal("0.003")
    assert "count for nothing: 1" in capsys.readouterr().out


@pytest.mark.parametrize("member", ["cost_usd", "input_tokens"])
def test_a_line_that_is_not_the_sum_of_its_attempts_counts_for_nothing(
    member: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = AnswerLedger(tmp_path / "answers.jsonl")
    ledger.keep(answer("throttled", "answered"))
    row = json.loads(ledger.path.read_text())
    row[member] = "0.5" if member == "cost_usd" else row[member] + 1
    ledger.path.write_text(json.dumps(row))
    assert ledger.totals()["answers"] == 0
    assert "count for nothing: 1" in capsys.readouterr().out


def test_without_a_price_the_cost_is_not_nothing(tmp_path: Path) -> None:
    ledger = AnswerLedger(tmp_path / "answers.jsonl")
    part = Attempt(rung="tuned", why="answered", cost_usd=None)
    ledger.keep(FallbackAnswer(text="", rung="tuned", attempts=(part,), latency_s=1, budget_s=4))
    ledger.keep(answer("answered", cost=Decimal("0.25")))
    assert ledger.totals()["cost_usd"] == Decimal("0.25")
    assert ledger.totals()["unpriced"] == 1
    assert json.loads(ledger.path.read_text().splitlines()[0])["cost_usd"] is None


def test_what_falling_back_costs_is_beside_the_first_rung_alone(tmp_path: Path) -> None:
    ledger = AnswerLedger(tmp_path / "answers.jsonl")
    for _ in range(3):
        ledger.keep(answer("answered", cost=Decimal("0.001")))
    ledger.keep(answer("timed out", "answered", cost=Decimal("0.002")))
    table = ledger.what_it_costs()
    assert table["answers"].tolist() == [3, 4]
    assert table["USD"].tolist() == [pytest.approx(0.005), pytest.approx(0.007)]
    assert table["grounded"].tolist() == [1.0, 1.0]
    rungs = [
        Rung(name=name, ask=lambda *_: None, usd_per_hour=usd, machine=machine)
        for name, usd, machine in (("tuned", 1.5, "a"), ("shadow", 1.5, "a"), ("base", 2.0, "b"))
    ]
    assert ledger.what_it_costs(rungs)["USD an hour"].tolist() == [1.5, 3.5]


def test_an_empty_ledger_comes_to_nothing(tmp_path: Path) -> None:
    ledger = AnswerLedger(tmp_path / "answers.jsonl")
    assert ledger.totals()["cost_usd"] == 0
    assert ledger.table().empty
    assert ledger.what_it_costs()["answers"].tolist() == [0, 0]


def test_a_ledger_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkshopError, match="cannot be written"):
        AnswerLedger(tmp_path / "file" / "answers.jsonl").keep(answer("answered"))


def test_shares_of_a_machine_sum_up_to_the_time_it_was_busy(clock: Clock) -> None:
    machine, busy_s, shares, marks = MachineTime(clock), 0.0, [], []
    for _ in range(500):
        step_s = RANDOM.random()
        busy_s += step_s if marks else 0
        clock.now_s += step_s
        if marks and RANDOM.random() < 0.5:
            shares.append(machine.end(marks.pop(RANDOM.randrange(len(marks)))))
        else:
            marks.append(machine.begin())
    shares += [machine.end(mark) for mark in marks]
    assert sum(shares) == pytest.approx(busy_s)


def test_two_at_a_time_pay_half_each(clock: Clock) -> None:
    machine = MachineTime(clock)
    one = machine.begin()
    clock.now_s += 1
    other = machine.begin()
    clock.now_s += 4
    assert machine.end(one) == 1 + 2
    clock.now_s += 3
    assert machine.end(other) == 2 + 3
