"""The workshop's prompt cases, files with a fault in them, and runs that are kept, repeated and resumed."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from threading import Lock

import numpy as np
import pytest

from sample.news.names import GIVEN, is_held_out
from workshop.errors import WorkshopError
from workshop.evaluation.answers import KeptAnswers
from workshop.evaluation.cases import Case, case_table, check_answer, fill_template, load_cases, run_cases

CASES_PATH = Path(__file__).parents[3] / "notebook" / "03-llmops" / "gate" / "cases.yaml"
CASES = load_cases(CASES_PATH)
TEMPLATE = "{{article}}\n질문: {{question}} 답:"
ONE = """- article: 김민수 대표는 340억 원을 투자한다고 말했다.
  cases:
  - id: number-01
    kind: number
    question: 투자금은?
    checks: {number: 340억 원, length: [3, 20], language: 0.5}
"""


class Model:
    """Answers from the article's last word, and counts."""

    def __init__(self, answer: str = "340억 원") -> None:
        self.answer, self.asked, self.lock = answer, [], Lock()

    def __call__(self, prompt: str, seed: int) -> str:
        with self.lock:
            self.asked.append((prompt, seed))
        return self.answer


def a_case(name: str = "number-01") -> Case:
    return next(case for case in CASES if case.id == name)


def test_there_are_eighty_cases_of_the_stated_kinds() -> None:
    counts = Counter(case.kind for case in CASES)
    assert counts == {"number": 32, "name": 24, "promise": 8, "refusal": 8, "handwritten": 8}
    assert {name for case in CASES for name in case.checks} == {
        "number", "name", "other_names", "length", "language", "refusal",
    }  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_answer_stands_in_the_article_and_passes_its_own_checks(case: Case) -> None:
    wanted = case.checks.get("number") or case.checks.get("name")
    if case.kind == "refusal":
        assert wanted is None
        assert all(check_answer(case, "기사에 나오지 않습니다.").values())
        return
    assert wanted in case.article
    assert all(name in case.article for name in case.checks.get("other_names", ()))
    if case.kind == "promise":
        wanted = next(said for said in re.findall("“([^”]+)”", case.article) if wanted in said)
    assert check_answer(case, wanted) == dict.fromkeys(case.checks, True)
    assert not all(check_answer(case, "기사에 나오지 않습니다.").values())


def test_no_name_of_the_cases_is_one_that_a_training_text_may_have() -> None:
    people = [
        case.checks["name"] for case in CASES if case.kind == "name" and case.question == "누가 말했나?"
    ]
    assert len(people) == 8
    assert all(is_held_out(GIVEN, *person[1:]) for person in people)


@pytest.mark.parametrize(
    ("spoilt", "found", "expected"),
    [
        ("", "no list", "a list of articles"),
        ("- a\n b: [", "not YAML at line", "a list of articles"),
        (ONE.replace("article:", "text:"), "article 1 with text, cases", "the fields article and cases"),
        (ONE.replace("question: 투자금은?", "question:"), "number-01 with question = None", "as a text"),
        (ONE.replace("question:", "questoin:"), "the field 'questoin'", "closest: question"),
        (ONE.replace("number: 340", "numbr: 340"), "the check 'numbr'", "closest: number"),
        (ONE.replace("number: 340억 원", "number: 340"), "number = 340", "in quotes"),
        (ONE.replace("number: 340억 원", "number: 많음"), "number = '많음'", "a text with a number"),
        (ONE.replace("[3, 20]", "[20, 3]"), "length = [20, 3]", "the fewest and the most"),
        (ONE.replace("0.5}", "50}"), "language = 50", "at most 1"),
        (ONE + ONE, "two cases with the id number-01", "an id of its own"),
        (ONE.replace("    checks", "    #"), "number-01 without checks", "one or more of number"),
    ],
)
def test_a_wrong_file_is_told_in_three_lines(tmp_path: Path, spoilt: str, found: str, expected: str) -> None:
    path = tmp_path / "cases.yaml"
    path.write_text(spoilt, encoding="utf-8")
    with pytest.raises(WorkshopError) as error:
        load_cases(path)
    assert found in error.value.found
    assert expected in error.value.expected
    assert str(path) in error.value.next_step


def test_a_file_that_is_not_there_or_not_utf_8_is_told_too(tmp_path: Path) -> None:
    with pytest.raises(WorkshopError, match="no such file"):
        load_cases(tmp_path / "cases.yaml")
    (tmp_path / "cases.yaml").write_bytes(ONE.encode("cp949"))
    with pytest.raises(WorkshopError, match="not UTF-8"):
        load_cases(tmp_path / "cases.yaml")


def test_every_run_of_every_case_is_asked_once_with_a_seed_of_its_own_and_kept(tmp_path: Path) -> None:
    kept, model = KeptAnswers(tmp_path, "prompts", {}), Model()
    runs = run_cases(CASES, TEMPLATE, model, kept, num_runs=3)
    assert len(model.asked) == len(set(model.asked)) == len({seed for _, seed in model.asked}) == 240
    assert len(kept) == len(kept.path.read_text(encoding="utf-8").splitlines()) == 240
    assert runs.is_right.shape == (80, 3)

    again = Model("something else")
    assert run_cases(CASES, TEMPLATE, again, KeptAnswers(tmp_path, "prompts", {}), num_runs=3).answers == (
        runs.answers
    )
    assert again.asked == []
    run_cases(CASES, TEMPLATE, again, kept, num_runs=2, first_run=3)
    assert len(again.asked) == 160
    assert not {seed for _, seed in again.asked} & {seed for _, seed in model.asked}


def test_what_was_interrupted_goes_on_where_it_stopped(tmp_path: Path) -> None:
    class Dying(Model):
        def __call__(self, prompt: str, seed: int) -> str:
            if len(self.asked) >= 100:
                raise ConnectionError
            return super().__call__(prompt, seed)

    with pytest.raises(ConnectionError):
        run_cases(CASES, TEMPLATE, Dying(), KeptAnswers(tmp_path, "prompts", {}), num_runs=2, num_threads=4)
    kept, model = KeptAnswers(tmp_path, "prompts", {}), Model()
    num_kept = len(kept)
    assert num_kept >= 100
    run_cases(CASES, TEMPLATE, model, kept, num_runs=2)
    assert len(model.asked) == 160 - num_kept


def test_values_are_shares_of_runs_and_tables_show_them(tmp_path: Path) -> None:
    case = a_case()
    wanted = case.checks["number"]
    answers = iter([wanted, "1명", wanted, ""])
    kept = KeptAnswers(tmp_path, "prompts", {})
    runs = run_cases([case], TEMPLATE, lambda *_: next(answers), kept, num_runs=4, num_threads=1)
    assert runs.values.tolist() == [0.5]
    assert runs.run_means.tolist() == [1, 0, 1, 0]
    assert runs.passed["number"].tolist() == [[True, False, True, False]]
    assert runs.passed["length"].tolist() == [[True, False, True, False]]
    assert runs.passed["language"].tolist() == [[True, True, True, False]]
    table = case_table({"plain": runs})
    assert table.loc["plain", ["all", "number", "lowest run", "highest run"]].tolist() == [50, 50, 0, 100]
    wrong = runs.first_wrong(5)
    assert wrong.loc["number-01", ["answer", "breaks"]].tolist() == ["1명", "number, length"]


def test_a_place_is_filled_once_and_text_in_braces_stays(tmp_path: Path) -> None:
    case = Case(id="a", kind="k", article="{{question}} {x}", question="왜?", checks={})
    assert fill_template("{{ article }} {json} {{question}}", case) == "{{question}} {x} {json} 왜?"


@pytest.mark.parametrize("template", ["{{article}} 답:", "{{article}} {{questions}}", "{article} {question}"])
def test_a_template_that_no_case_fills_is_told(template: str) -> None:
    with pytest.raises(WorkshopError) as error:
        fill_template(template, a_case())
    assert "{{question}}" in error.value.expected


def test_a_prompt_without_the_article_is_asked_once_for_cases_of_the_same_question(tmp_path: Path) -> None:
    kept, model = KeptAnswers(tmp_path, "prompts", {}), Model()
    runs = run_cases(CASES, "질문: {{question}} 답:", model, kept, num_runs=1)
    assert len(model.asked) == len({case.question for case in CASES})
    assert runs.values.shape == (80,)
    assert np.isfinite(runs.latencies_s).all()
