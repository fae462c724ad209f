"""Answers are kept as they come, and an evaluation goes on where it stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from workshop.errors import WorkshopError
from workshop.evaluation.answers import KeptAnswers, weights_identity

SETTINGS = {"model": "a1b2", "max_new_tokens": 128, "temperature": 0.0}
PROMPTS = [f"기사 {number}을 요약해 주세요." for number in range(12)]


class System:
    """Answers, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[object] = []

    def __call__(self, prompt: object) -> str:
        self.asked.append(prompt)
        return f"{prompt}의 요약"


def all_rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_every_answer_is_kept_with_prompt_latency_and_settings(tmp_path: Path):
    kept, system = KeptAnswers(tmp_path / "evaluation", "endpoint", SETTINGS), System()
    rows = [kept.ask(prompt, system) for prompt in PROMPTS[:2]]
    lines = all_rows(kept.path)
    assert [line["prompt"] for line in lines] == PROMPTS[:2]
    assert (
        [line["answer"] for line in lines]
        == [row.answer for row in rows]
        == [f"{p}의 요약" for p in PROMPTS[:2]]
    )
    assert all(line["settings"] == SETTINGS and line["latency_s"] >= 0 and line["made_at"] for line in lines)


def test_pandas_reads_the_file(tmp_path: Path):
    import pandas

    kept = KeptAnswers(tmp_path, "endpoint", SETTINGS)
    kept.ask(PROMPTS[0], System())
    table = pandas.read_json(kept.path, lines=True)
    assert table.loc[0, "answer"] == f"{PROMPTS[0]}의 요약"


def test_an_interrupted_evaluation_asks_only_for_what_is_missing(tmp_path: Path):
    system = System()
    first = KeptAnswers(tmp_path, "endpoint", SETTINGS)
    before = [first.ask(prompt, system) for prompt in PROMPTS[:5]]
    again = KeptAnswers(tmp_path, "endpoint", SETTINGS)
    assert again.missing([*PROMPTS, PROMPTS[-1]]) == PROMPTS[5:]
    rows = [again.ask(prompt, system) for prompt in PROMPTS]
    assert system.asked == PROMPTS
    assert rows[:5] == before
    assert again.rows(PROMPTS) == rows
    assert len(all_rows(again.path)) == len(PROMPTS)


def test_a_killed_process_loses_nothing_that_was_answered(tmp_path: Path):
    code = f"""
import sys, time
from pathlib import Path
from workshop.evaluation.answers import KeptAnswers
kept = KeptAnswers(Path(sys.argv[1]), "endpoint", {SETTINGS!r})
for prompt in {PROMPTS!r}:
    kept.ask(prompt, lambda prompt: time.sleep(0.05) or prompt)
"""
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
    path = KeptAnswers(tmp_path, "endpoint", SETTINGS).path
    while not path.exists() or path.read_bytes().count(b"\n") < 3:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept, system = KeptAnswers(tmp_path, "endpoint", SETTINGS), System()
    num_kept = len(kept)
    assert num_kept >= 3
    for prompt in PROMPTS:
        kept.ask(prompt, system)
    assert system.asked == PROMPTS[num_kept:]


@pytest.mark.parametrize("num_bytes", [1, 40, -1])
def test_half_a_line_of_a_killed_process_is_asked_again_and_spoils_no_other(
    tmp_path: Path, num_bytes: int, capsys
):
    kept = KeptAnswers(tmp_path, "endpoint", SETTINGS)
    for prompt in PROMPTS[:3]:
        kept.ask(prompt, System())
    lines = kept.path.read_bytes().splitlines(keepends=True)
    kept.path.write_bytes(b"".join(lines[:2]) + lines[2][:num_bytes])
    system, again = System(), KeptAnswers(tmp_path, "endpoint", SETTINGS)
    for prompt in PROMPTS[:4]:
        again.ask(prompt, system)
    assert set(system.asked) == set(again.path and PROMPTS[3:4]) | (
        set() if num_bytes == -1 else {PROMPTS[2]}
    )
    assert KeptAnswers(tmp_path, "endpoint", SETTINGS).missing(PROMPTS[:4]) == []
    assert ("count for nothing: 1" in capsys.readouterr().out) is (num_bytes != -1)


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "null",
        "{}",
        '{"prompt": "x", "answer": null, "latency_s": 1, "made_at": "", "settings": {}}',
        "\x00",
        "{",
    ],
)
def test_a_line_of_another_kind_counts_as_unreadable(tmp_path: Path, line: str):
    kept = KeptAnswers(tmp_path, "endpoint", SETTINGS)
    kept.ask(PROMPTS[0], System())
    kept.path.write_text(line + "\n" + kept.path.read_text(encoding="utf-8"), encoding="utf-8")
    again = KeptAnswers(tmp_path, "endpoint", SETTINGS)
    assert (len(again), again.num_unreadable) == (1, 1)


@pytest.mark.parametrize(
    "changed", [{"model": "c3d4"}, {"temperature": 0.5}, {"max_new_tokens": 64}, {"top_p": 0.9}]
)
def test_another_model_or_setting_starts_anew_and_going_back_finds_the_old(tmp_path: Path, changed: dict):
    system = System()
    KeptAnswers(tmp_path, "endpoint", SETTINGS).ask(PROMPTS[0], system)
    other = KeptAnswers(tmp_path, "endpoint", SETTINGS | changed)
    assert other.missing(PROMPTS[:1]) == PROMPTS[:1]
    other.ask(PROMPTS[0], system)
    assert len(system.asked) == 2
    assert [len(all_rows(path)) for path in tmp_path.iterdir()] == [1, 1]
    assert KeptAnswers(tmp_path, "endpoint", dict(reversed(SETTINGS.items()))).missing(PROMPTS[:1]) == []


def test_answers_under_other_settings_are_not_taken_from_a_file_that_was_renamed(tmp_path: Path):
    other = KeptAnswers(tmp_path, "endpoint", SETTINGS | {"model": "c3d4"})
    other.ask(PROMPTS[0], System())
    ours = KeptAnswers(tmp_path, "endpoint", SETTINGS)
    os.replace(other.path, ours.path)
    assert KeptAnswers(tmp_path, "endpoint", SETTINGS).missing(PROMPTS[:1]) == PROMPTS[:1]


def test_a_prompt_that_changed_is_asked_again(tmp_path: Path):
    kept, system = KeptAnswers(tmp_path, "endpoint", SETTINGS), System()
    for prompt in ("가 ", "가", [{"role": "user", "content": "가"}], "가"):
        kept.ask(prompt, system)
    assert len(system.asked) == 3


def test_repeats_of_a_prompt_are_answers_of_their_own(tmp_path: Path):
    kept, system = KeptAnswers(tmp_path, "endpoint", SETTINGS), System()
    for repeat in (0, 1, 2, 1):
        kept.ask(PROMPTS[0], system, repeat=repeat)
    assert len(system.asked) == 3
    assert KeptAnswers(tmp_path, "endpoint", SETTINGS).rows(PROMPTS[:1], repeat=2)[0].repeat == 2


def test_threads_share_it(tmp_path: Path):
    kept, system = KeptAnswers(tmp_path, "endpoint", SETTINGS), System()
    prompts = [f"{number} " + "가" * 5_000 for number in range(60)]
    with ThreadPoolExecutor(max_workers=8) as pool:
        rows = list(pool.map(lambda prompt: kept.ask(prompt, system), prompts))
    assert [row.prompt for row in rows] == prompts
    assert {line["prompt"] for line in all_rows(kept.path)} == set(prompts)


def test_an_error_of_the_system_keeps_what_was_answered_before(tmp_path: Path):
    kept = KeptAnswers(tmp_path, "endpoint", SETTINGS)
    kept.ask(PROMPTS[0], System())
    with pytest.raises(ZeroDivisionError):
        kept.ask(PROMPTS[1], lambda prompt: 1 / 0)
    assert KeptAnswers(tmp_path, "endpoint", SETTINGS).missing(PROMPTS[:2]) == PROMPTS[1:2]


def test_a_batch_is_kept_with_its_size_and_seconds(tmp_path: Path):
    kept = KeptAnswers(tmp_path, "tuned", SETTINGS)
    kept.keep_batch(PROMPTS[:2], ["하나", "둘"], latency_s=2.5)
    rows = KeptAnswers(tmp_path, "tuned", SETTINGS).rows(PROMPTS[:2])
    assert [(row.answer, row.latency_s, row.details) for row in rows] == [
        ("하나", 2.5, {"batch_size": 2}),
        ("둘", 2.5, {"batch_size": 2}),
    ]
    with pytest.raises(ValueError, match="shorter"):
        kept.keep_batch(PROMPTS[:2], ["하나"], latency_s=1)


@pytest.mark.parametrize(
    "text", ["", "금리", "漢江 😀 ﾤￂ", "a\nb\r\u2028\x00\x07", "\ud800", '"\\', "가" * 100_000]
)
def test_any_text_comes_back_as_it_was(tmp_path: Path, text: str):
    KeptAnswers(tmp_path, "endpoint", SETTINGS | {"note": text}).ask(text, lambda prompt: text)
    again = KeptAnswers(tmp_path, "endpoint", SETTINGS | {"note": text})
    assert [row.answer for row in again.rows([text])] == [text]


def test_missing_answers_are_counted(tmp_path: Path):
    kept = KeptAnswers(tmp_path, "endpoint", SETTINGS)
    kept.ask(PROMPTS[0], System())
    with pytest.raises(WorkshopError, match="no answer to 11 of 12 prompts"):
        kept.rows(PROMPTS)


def test_a_file_that_cannot_be_written_is_an_error_that_says_what_to_do(tmp_path: Path):
    (tmp_path / "evaluation").write_text("a file where the folder should be")
    with pytest.raises(WorkshopError) as error:
        KeptAnswers(tmp_path / "evaluation", "endpoint", SETTINGS).ask(PROMPTS[0], System())
    assert "WORKSHOP_HOME" in error.value.next_step


def test_weights_that_were_written_again_are_others(tmp_path: Path):
    weights = tmp_path / "model" / "model.safetensors"
    weights.parent.mkdir()
    weights.write_bytes(b"one")
    before = weights_identity(weights.parent)
    assert weights_identity(weights.parent) == before
    weights.write_bytes(b"others")
    assert weights_identity(weights.parent) != before
    assert str(tmp_path) not in before
    assert weights_identity("meta-llama/Meta-Llama-3-8B") == "meta-llama/Meta-Llama-3-8B"
