"""A question reaches the model in one exact form, on every route, and is asked once."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from workshop.evaluation.answering import ask_all, first_line, prompts_for, question_prompt
from workshop.evaluation.answers import KeptAnswers
from workshop.inference import Answer, InferenceError

BASE_MODEL = Path(__file__).parents[3] / "src" / "sample" / "base" / "model"


@pytest.fixture
def kept(tmp_path: Path) -> KeptAnswers:
    return KeptAnswers(tmp_path, "base", {"model": "base"})


def test_the_forms_of_a_prompt() -> None:
    assert question_prompt("누구?") == "질문: 누구? 답:"
    assert (
        question_prompt("누구?", articles=["기사 하나.", "기사 둘.\n"])
        == "기사 하나.\n기사 둘.\n질문: 누구? 답:"
    )
    assert (
        question_prompt("누구?", articles=["기사."], examples=[("언제?", "지난 3일")])
        == "질문: 언제? 답: 지난 3일\n기사.\n질문: 누구? 답:"
    )


def test_each_question_stands_behind_its_own_articles() -> None:
    @dataclass(frozen=True)
    class Question:
        model_text: str
        answers: tuple[str, ...] = ()

    questions = [Question("누구?"), Question("언제?")]
    assert prompts_for(questions) == ["질문: 누구? 답:", "질문: 언제? 답:"]
    assert prompts_for(questions, [["하나."], []]) == ["하나.\n질문: 누구? 답:", "질문: 언제? 답:"]
    assert prompts_for(questions[:1], examples=[("몇?", "셋")]) == ["질문: 몇? 답: 셋\n질문: 누구? 답:"]
    with pytest.raises(ValueError, match="shorter"):
        prompts_for(questions, [["하나."]])


@pytest.mark.parametrize("question", [" 누구?", "누구?\n", "누구?\r\n ", "\t누구?"])
def test_a_prompt_ends_in_a_colon_and_its_question_is_one_line(question: str) -> None:
    assert question_prompt(question) == "질문: 누구? 답:"
    assert question_prompt("누가\n말했나?") == "질문: 누가 말했나? 답:"


def test_a_prompt_has_one_begin_token_and_is_a_prefix_of_prompt_and_answer() -> None:
    """As the server's tokenizer sees it: a space at its end would be another token."""
    tokenizer = Tokenizer.from_file(str(BASE_MODEL / "tokenizer.json"))
    prompt = question_prompt("새길은행 대출은?", articles=["새길은행은 대출을 늘렸다."])
    begin = tokenizer.token_to_id("<|begin_of_text|>")
    assert tokenizer.encode(prompt).ids.count(begin) == 1
    read = tokenizer.encode(prompt, add_special_tokens=False).ids
    assert tokenizer.encode(f"{prompt} 972억 원", add_special_tokens=False).ids[: len(read)] == read


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (" 김연혁 은행장\n질문: 언제? 답:", "김연혁 은행장"),  # TGI leaves the stop text in
        ("김연혁", "김연혁"),
        ("\n\n김연혁\r\n다음", "김연혁"),
        ("", ""),
        (" \n ", ""),
    ],
)
def test_an_answer_is_its_first_line(text: str, answer: str) -> None:
    assert first_line(text) == answer


def test_the_same_prompt_is_asked_once_and_a_second_run_asks_nothing(kept: KeptAnswers) -> None:
    asked: list[str] = []

    def ask(prompt: str) -> Answer:
        asked.append(prompt)
        return Answer(text=f" {prompt.upper()}\nnext", num_generated_tokens=2)

    prompts = ["b", "a", "b"]
    rows = ask_all(kept, prompts, ask, num_users=3)
    assert [row.answer for row in rows] == ["B", "A", "B"]
    assert rows[0].details == {"num_users": 3, "num_generated_tokens": 2}
    assert sorted(asked) == ["a", "b"]
    again = ask_all(KeptAnswers(kept.path.parent, "base", kept.settings), prompts, ask, num_users=1)
    assert again == rows
    assert sorted(asked) == ["a", "b"]


def test_as_many_are_under_way_as_there_are_users(kept: KeptAnswers) -> None:
    together = threading.Barrier(4, timeout=20)  # breaks, and fails the test, where fewer than four ask

    def ask(prompt: str) -> Answer:
        together.wait()
        return Answer(text=prompt)

    assert len(ask_all(kept, list("abcdefgh"), ask, num_users=4)) == 8


def test_what_had_come_before_a_failure_is_kept(kept: KeptAnswers) -> None:
    def ask(prompt: str) -> Answer:
        if prompt == "bad":
            raise InferenceError(found="no", expected="yes", next_step="again")
        return Answer(text=prompt)

    with pytest.raises(InferenceError):
        ask_all(kept, ["good", "bad"], ask, num_users=1)
    assert kept.missing(["good", "bad"]) == ["bad"]
