"""Questions put to a language model: bare, behind examples, or behind the articles that may hold the answer.

A base model completes text. It answers where an answer is what comes next:

    article
    질문: 서울시 예산은? 답:

The end is a colon without a space: the space belongs to the answer's first token. The server puts the one
begin token in front.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from workshop.evaluation.answers import KeptAnswers, Row
from workshop.inference.answers import Answer

MAX_ANSWER_TOKENS = 48
"""Of one answer; the longest promise of the workshop's news has fewer in either tokenizer."""

LINE_END = "\n"
"""Where an answer stops: what a base model writes behind it is the next question."""


class Asked(Protocol):
    """A question with the answers that count, for instance workshop.retrieval.corpus.Question."""

    @property
    def model_text(self) -> str: ...

    @property
    def answers(self) -> tuple[str, ...]: ...


def question_prompt(
    question: str, *, articles: Iterable[str] = (), examples: Iterable[tuple[str, str]] = ()
) -> str:
    """Return the text that a base model continues with the answer.

    Args:
        question: One line; line ends in it become spaces.
        articles: What may hold the answer, in the order in which the model reads it.
        examples: Questions with their answers, which stand before the articles.
    """
    shown = [f"{_asked(example)} {_one_line(answer)}" for example, answer in examples]
    return LINE_END.join([*shown, *(article.strip() for article in articles), _asked(question)])


def prompts_for(
    questions: Sequence[Asked],
    articles: Sequence[Sequence[str]] | None = None,
    *,
    examples: Sequence[tuple[str, str]] = (),
) -> list[str]:
    """Return a prompt for each question.

    Args:
        questions: Of each, `model_text` is asked.
        articles: For each question the articles in front of it; none when None.
        examples: In front of all of them.
    """
    given = [()] * len(questions) if articles is None else articles
    return [
        question_prompt(question.model_text, articles=some, examples=examples)
        for question, some in zip(questions, given, strict=True)
    ]


def first_line(text: str) -> str:
    """Return an answer without what follows it: TGI leaves the stop text in, and a model may begin so."""
    lines = text.strip().splitlines()
    return lines[0].strip() if lines else ""


def ask_all(
    kept: KeptAnswers,
    prompts: Sequence[str],
    ask: Callable[[str], Answer],
    *,
    num_users: int,
    read: Callable[[str], str] = first_line,
) -> list[Row]:
    """Return the answers, and ask for those that are not kept yet, several at a time.

    Args:
        kept: Where answers are kept, with their tokens and the number of users.
        prompts: The same one twice is asked once.
        ask: Sends one prompt; called in threads.
        num_users: So many questions are under way at a time.
        read: What of a text is kept as the answer; of a summary, `str.strip`.

    Returns:
        Rows in the order of the prompts; `details` has `num_users` and, where the engine tells,
        `num_generated_tokens`.

    Raises:
        InferenceError: The endpoint refused a request, or failed. What had come by then is kept.
    """
    from tqdm.auto import tqdm

    def keep_one(prompt: str) -> None:
        started_s = time.perf_counter()
        answer = ask(prompt)
        kept.keep(
            prompt,
            read(answer.text),
            latency_s=time.perf_counter() - started_s,
            num_users=num_users,
            num_generated_tokens=answer.num_generated_tokens,
        )

    missing = kept.missing(prompts)
    with ThreadPoolExecutor(max_workers=num_users) as pool:
        for _ in tqdm(pool.map(keep_one, missing), total=len(missing), disable=not missing):
            pass
    return kept.rows(prompts)


def _asked(question: str) -> str:
    return f"질문: {_one_line(question)} 답:"


def _one_line(text: str) -> str:
    return " ".join(text.split())
