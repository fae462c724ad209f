"""How a summary is written, whatever it says."""

import random
import unicodedata

import pytest

from sample.news import generator, handwritten
from workshop.evaluation.rouge import WORDS
from workshop.evaluation.writing import hangul_share, is_empty, is_unfinished, length_ratio, repetition

HANDWRITTEN = [row["summary"] for split in ("train", "validation", "test") for row in handwritten.rows(split)]
FINISHED = [
    "금리를 올렸다.",
    "금리를 올렸다",
    "“금리를 올렸다.”",
    "“금리를 올렸다”.",
    "금리를 올렸다!  \n",
    "금리를 올렸다。",
    "금리를 올렸을까？",
    "금리를 올렸어요~!",
    "금리를 올렸다...",
    "금리를 올린 것으로 보고함",
    "It was raised.",
    "서울에서 열린다(종합).",
    "GPU 8장을 쓴다…",
]
UNFINISHED = [
    "금리를 올렸",
    "금리를",
    "금리를 3.",
    "금리를 3",
    "금리를 올리고,",
    "“금리를 올리며",
    "금리를...",
    "금리를 …",
    "It was",
    "",
    "   ",
    "…",
    ".",
    "?",
    "\x00",
    "금리 인상 전망",
    "금리를 올린 다",
]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize(
    ("text", "expected"), [*((t, False) for t in FINISHED), *((t, True) for t in UNFINISHED)]
)
def test_a_text_that_breaks_off_is_unfinished(text: str, expected: bool, form: str):
    assert is_unfinished(unicodedata.normalize(form, text)) is expected


def test_no_reference_breaks_off():
    assert not any(map(is_unfinished, HANDWRITTEN + [row["summary"] for row in generator.rows(300, seed=2)]))


def test_a_summary_cut_anywhere_is_nearly_always_seen_to_break_off():
    cuts = [summary[:end] for summary in HANDWRITTEN for end in range(10, len(summary) - 2)]
    assert sum(map(is_unfinished, cuts)) / len(cuts) > 0.98  # the others end in 다음, 처음, 보다


@pytest.mark.parametrize(
    ("summary", "expected"),
    [
        ("가 나 다 라", 0),
        ("가 나 다 가 나 다", 1 / 4),
        ("가 가 가 가 가", 2 / 3),
        ("가 나 다, 가 나 다.", 1 / 4),
        ("가 나", 0),
        ("", 0),
    ],
)
def test_repetition_is_the_share_of_word_triples_said_before(summary: str, expected: float):
    assert repetition(summary) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("reference", "summary", "expected"),
    [
        ("가나 다라", "가나다라", 1),
        ("가나다라", "가", 0.25),
        ("가", "가 나 다", 3),
        ("가나", "", 0),
        ("", "가나", 2),
        ("", "", 0),
    ],
)
def test_length_is_counted_in_characters_without_spaces(reference: str, summary: str, expected: float):
    assert length_ratio(reference, summary) == pytest.approx(expected, abs=1e-9)
    assert length_ratio(unicodedata.normalize("NFD", reference), summary) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("한국은행", 1),
        ("AI 반도체", 3 / 5),
        ("The Bank", 0),
        ("漢江 가나", 2 / 4),
        ("37% 😀", 0),
        ("", 0),
        ("ㅋㅋ", 1),
    ],
)
def test_letters_are_hangul_or_not(text: str, expected: float):
    assert hangul_share(text) == pytest.approx(expected, abs=1e-9)
    assert hangul_share(unicodedata.normalize("NFD", text)) == pytest.approx(expected, abs=0.2)


@pytest.mark.parametrize(
    ("text", "expected"), [("", True), (" \n…!", True), ("\x00\x07", True), ("가", False), ("3%", False)]
)
def test_a_text_without_a_word_is_empty(text: str, expected: bool):
    assert is_empty(text) is expected


def test_shares_are_those_counted_one_by_one():
    draw = random.Random(8)
    words = ["은행이", "37%", "GPU", "漢江", "ㅋㅋ", "é", "올렸다.", "가", "나", "😀"]
    num_repeated = 0
    for _ in range(300):
        text = " ".join(draw.choices(words, k=draw.randint(0, 25)))
        said, num_triples, num_again = [], 0, 0
        tokens = WORDS.tokenize(text)
        for place in range(2, len(tokens)):
            triple = tokens[place - 2 : place + 1]
            num_triples, num_again = num_triples + 1, num_again + (triple in said)
            said.append(triple)
        assert repetition(text) == pytest.approx(num_again / num_triples if num_triples else 0, abs=1e-9)
        letters = [letter for letter in text if unicodedata.category(letter)[0] == "L"]
        num_hangul = sum(unicodedata.name(letter).startswith("HANGUL") for letter in letters)
        assert hangul_share(text) == pytest.approx(num_hangul / len(letters) if letters else 0, abs=1e-9)
        num_repeated += num_again > 0
    assert num_repeated > 20
