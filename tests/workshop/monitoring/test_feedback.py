"""A thumb down becomes one more case of the file that the gate reads."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from workshop.errors import WorkshopError
from workshop.evaluation.cases import Case, check_answer, load_cases
from workshop.monitoring.feedback import add_case, thumb_case
from workshop.settings import find_repo_dir

ARTICLE = "별담구는 오는 9일 도서관을 연다. 예산은 340억 원이다. 문의는 010-1234-5678로 받는다."
CORRECTION = "별담구가 9일 340억 원을 들여 도서관을 연다."


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A copy of the gate's own file."""
    copy = tmp_path / "cases.yaml"
    shutil.copy(find_repo_dir() / "notebook" / "03-llmops" / "gate" / "cases.yaml", copy)
    return copy


def case_of(answer: str, case_id: str = "thumb-1") -> Case | None:
    return thumb_case(article=ARTICLE, answer=answer, correction=CORRECTION, case_id=case_id)


def test_the_file_of_the_gate_grows_by_one_case_and_not_by_the_same_one_again(path: Path) -> None:
    before, case = load_cases(path), case_of("")
    assert add_case(path, case)
    assert not add_case(path, case_of("", "thumb-2"))
    after = load_cases(path)
    assert after[:-1] == before
    assert after[-1] == case
    assert path.read_text(encoding="utf-8").startswith("# What a prompt has to answer right")


@pytest.mark.parametrize(
    ("answer", "broken"),
    [
        (CORRECTION.replace("340", "34"), {"number"}),
        ("별담구가 9일 340억 원을 들여 체육관을 연다.", {"name"}),  # its numbers are right
        ("", {"number", "name", "length", "language"}),
    ],
)
def test_what_was_wrong_is_red_and_the_correction_itself_is_green(answer: str, broken: set[str]) -> None:
    case = case_of(answer)
    assert all(check_answer(case, CORRECTION).values())
    assert {name for name, is_kept in check_answer(case, answer).items() if not is_kept} == broken


def test_a_right_answer_that_a_reader_marked_down_by_mistake_makes_no_case() -> None:
    assert case_of(CORRECTION) is None


def test_no_personal_data_gets_into_a_case() -> None:
    case = case_of("")
    assert "010-1234-5678" not in case.article
    assert "[전화번호]" in case.article


def test_a_case_that_has_anothers_id_is_refused_and_nothing_is_written(path: Path) -> None:
    text = path.read_bytes()
    with pytest.raises(WorkshopError, match="two cases with the id number-01"):
        add_case(path, case_of("", "number-01"))
    assert path.read_bytes() == text


def test_the_gate_reads_the_case_and_wants_a_baseline_that_has_it(tmp_path: Path) -> None:
    folder = tmp_path / "gate"
    shutil.copytree(find_repo_dir() / "notebook" / "03-llmops" / "gate", folder)
    values = {case.id: 1.0 for case in load_cases(folder / "cases.yaml")}
    add_case(folder / "cases.yaml", case_of(""))
    baseline = tmp_path / "baseline.json"
    baseline.write_text(json.dumps({"sampling": {}, "num_runs": 2, "values": values}), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", str(folder / "pytest.ini"), str(folder / "prompt_gate.py")],
        env=os.environ | {"GATE_BASELINE": str(baseline)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4, done.stdout + done.stderr
    assert f"thumb-1 is not in the baseline; write it again with all {len(values) + 1} cases" in (
        done.stdout + done.stderr
    )
