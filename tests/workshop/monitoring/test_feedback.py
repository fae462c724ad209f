"""A thumb down becomes one more case of the file that the gate reads."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from workshop.errors import WorkshopError
from workshop.evaluation.cases import check_answer, load_cases
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


def test_the_file_of_the_gate_grows_by_one_case_and_not_by_the_same_one_again(path: Path) -> None:
    before = load_cases(path)
    case = thumb_case(article=ARTICLE, correction=CORRECTION, case_id="thumb-1")
    assert add_case(path, case)
    assert not add_case(path, thumb_case(article=ARTICLE, correction=CORRECTION, case_id="thumb-2"))
    after = load_cases(path)
    assert after[:-1] == before
    assert after[-1] == case
    assert path.read_text(encoding="utf-8").startswith("# What a prompt has to answer right")


def test_a_wrong_number_is_red_and_the_correction_itself_is_green() -> None:
    case = thumb_case(article=ARTICLE, correction=CORRECTION, case_id="thumb-1")
    assert all(check_answer(case, CORRECTION).values())
    assert not check_answer(case, CORRECTION.replace("340", "34"))["number"]
    assert not all(check_answer(case, "").values())


def test_no_personal_data_gets_into_a_case() -> None:
    case = thumb_case(article=ARTICLE, correction=CORRECTION, case_id="thumb-1")
    assert "010-1234-5678" not in case.article
    assert "[전화번호]" in case.article


def test_a_case_that_would_say_nothing_or_has_anothers_id_is_refused_and_writes_nothing(path: Path) -> None:
    with pytest.raises(WorkshopError, match="without a number"):
        thumb_case(article=ARTICLE, correction="도서관을 연다.", case_id="thumb-1")
    text = path.read_bytes()
    with pytest.raises(WorkshopError, match="two cases with the id number-01"):
        add_case(path, thumb_case(article=ARTICLE, correction=CORRECTION, case_id="number-01"))
    assert path.read_bytes() == text
