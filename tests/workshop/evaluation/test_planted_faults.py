"""Every fault that was planted shows in the measure that is there for it, and only a little in ROUGE."""

import pytest

from sample.news import handwritten
from workshop.evaluation.leaks import twins
from workshop.evaluation.scores import Scores, describe_systems, score_systems

ROWS = [row for split in ("train", "validation", "test") for row in handwritten.rows(split)]
ARTICLES = [row["document"] for row in ROWS]
REFERENCES = [row["summary"] for row in ROWS]
NUM_PLANTED = 10  # the first ones; the others stay as they are


def swapped_digits(text: str) -> str:
    """Write another digit in place of the first, as a model does that did not copy."""
    place = next(index for index, letter in enumerate(text) if letter.isdigit())
    return text[:place] + str((int(text[place]) + 4) % 9 + 1) + text[place + 1 :]


FAULTS = {
    "a swapped number": swapped_digits,
    "a cut answer": lambda text: text[: text.index(" ", len(text) * 2 // 3)],
    "an English answer": lambda text: "The city will add four night bus lines from March next year.",
    "an empty answer": lambda text: "",
    "a repeated sentence": lambda text: f"{text} {text}",
}


def measured(texts: list[str]) -> dict:
    systems = {"system": texts}
    scores: Scores = score_systems(ARTICLES, REFERENCES, systems)
    return scores["system"] | describe_systems(ARTICLES, REFERENCES, systems)["system"]


def planted(fault: str) -> list[str]:
    return [FAULTS[fault](text) if index < NUM_PLANTED else text for index, text in enumerate(REFERENCES)]


SOUND = measured(REFERENCES)


def test_without_a_fault_no_measure_shows_one():
    assert SOUND["numbers_right"].mean() == 1
    assert SOUND["unfinished"].max() == SOUND["repetition"].max() == SOUND["empty"].max() == 0
    assert SOUND["hangul"].min() > 0.8
    assert (SOUND["length_ratio"] == 1).all()


@pytest.mark.parametrize(
    ("fault", "metric", "shows"),
    [
        ("a swapped number", "numbers_right", lambda value: value == 0),
        ("a cut answer", "unfinished", lambda value: value == 1),
        ("a cut answer", "length_ratio", lambda value: value < 0.85),
        ("an English answer", "hangul", lambda value: value == 0),
        ("an empty answer", "empty", lambda value: value == 1),
        ("a repeated sentence", "repetition", lambda value: value > 0.4),
        ("a repeated sentence", "length_ratio", lambda value: value == 2),
    ],
)
def test_a_planted_fault_is_found_in_each_answer_that_has_it_and_in_no_other(fault: str, metric: str, shows):
    values = measured(planted(fault))[metric]
    assert [bool(shows(value)) for value in values] == [index < NUM_PLANTED for index in range(len(values))]


def test_a_leaked_row_is_found_and_no_other():
    trained_on = [(article.replace(".", " ."), "다른 요약") for article in ARTICLES[:NUM_PLANTED]]
    found = twins(ARTICLES[5:], REFERENCES[5:], trained_on)
    assert [twin is not None for twin in found] == [index < NUM_PLANTED for index in range(5, len(ARTICLES))]


def test_rouge_alone_hides_a_swapped_number():
    values = measured(planted("a swapped number"))["word_rouge_l"]
    assert values[:NUM_PLANTED].mean() > 0.9
