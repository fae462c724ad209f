"""The scores are those of rouge-score, on words and syllables that Korean has."""

import random
import subprocess
import sys
import unicodedata

import pytest

from workshop.evaluation.rouge import METRICS, SYLLABLES, WORDS, lcs_length, rouge, rouge_l

KOREAN = "한빛전자가 20일 “용량을 37% 늘렸다”고 밝혔다."


def test_identical_hangul_scores_one():
    assert {name: score.fmeasure for name, score in rouge(KOREAN, KOREAN).items()} == dict.fromkeys(
        METRICS, 1.0
    )


def test_the_stock_tokenizer_scores_identical_hangul_zero():
    from rouge_score.rouge_scorer import RougeScorer

    hangul = "정부가 새 정책을 내놓았다."
    assert RougeScorer(["rougeL"]).score(hangul, hangul)["rougeL"].fmeasure == 0
    assert rouge(hangul, hangul)["word_rouge_l"].fmeasure == 1


def test_every_score_equals_the_one_of_rouge_score():
    from rouge_score.rouge_scorer import RougeScorer

    draw = random.Random(7)
    words = [
        "은행이",
        "은행은",
        "37%",
        "3.5",
        "“금리를",
        "올렸다.",
        "GPU",
        "漢江",
        "😀",
        "1,200억",
        "서울·부산",
        "ㅋㅋ",
    ]
    stock = {
        unit: RougeScorer(["rouge1", "rouge2", "rougeL"], tokenizer=tokenizer)
        for unit, tokenizer in (("word", WORDS), ("syllable", SYLLABLES))
    }
    num_nonzero = 0
    for _ in range(300):
        reference = " ".join(draw.choices(words, k=draw.randint(0, 14)))
        summary = " ".join(draw.choices(words, k=draw.randint(0, 14)))
        scores = rouge(reference, summary)
        for unit, scorer in stock.items():
            for kind, expected in scorer.score(reference, summary).items():
                score = scores[f"{unit}_rouge_{kind.removeprefix('rouge').lower()}"]
                assert tuple(score) == pytest.approx(tuple(expected), abs=1e-12)
                num_nonzero += score.fmeasure > 0
        assert rouge_l(reference, summary) == scores["word_rouge_l"].fmeasure
    assert num_nonzero > 1000


def test_the_longest_common_subsequence_equals_the_one_of_the_table():
    from rouge_score.rouge_scorer import _lcs_table

    draw = random.Random(3)
    for _ in range(200):
        left = draw.choices("가나다라마", k=draw.randint(0, 90))
        right = draw.choices("가나다라바", k=draw.randint(0, 90))
        assert lcs_length(left, right) == _lcs_table(left, right)[-1][-1]


def test_words_lose_punctuation_at_their_ends_only():
    text = "“안녕,” (서울=연합) 3.5%로 37%… 1,200억 ▲서울·부산 — ‘IT’"
    expected = ["안녕", "서울=연합", "3.5%로", "37%", "1,200억", "서울·부산", "it"]
    assert WORDS.tokenize(text) == expected


def test_syllables_are_hangul_runs_of_letters_and_runs_of_digits():
    text = "삼성 GPU-100대, 漢江 3.5% 😀ㅋㅋ été"
    assert [unicodedata.normalize("NFC", token) for token in SYLLABLES.tokenize(text)] == [
        "삼", "성", "gpu", "100", "대", "漢", "江", "3", "5", "ᄏ", "ᄏ", "été",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("form", "other"),
    [
        ("NFD", unicodedata.normalize("NFD", KOREAN)),
        ("full-width", KOREAN.replace("37", "３７")),
        ("upper case", "GPU 서버"),
        ("compatibility hanja", "\uf90a 값"),
    ],
)
def test_other_forms_of_the_same_text_score_one(form: str, other: str):
    usual = {"upper case": "gpu 서버", "compatibility hanja": "金 값"}.get(form, KOREAN)
    assert usual != other
    assert all(score.fmeasure == 1 for score in rouge(usual, other).values())


def test_half_width_hangul_is_read():
    assert WORDS.tokenize("ﾤￂ") == WORDS.tokenize("나")


@pytest.mark.parametrize("text", ["", "   ", "…!?", "\x00\x07"])
def test_texts_without_a_token_score_zero(text: str):
    assert all(score.fmeasure == 0 for score in rouge(KOREAN, text).values())
    assert all(score.fmeasure == 0 for score in rouge(text, text).values())


def test_a_very_long_text_is_scored():
    long = KOREAN * 2_000
    assert rouge(long, long)["syllable_rouge_l"].fmeasure == 1


def test_scoring_loads_no_heavy_package():
    code = """
import sys, workshop.evaluation.scores, workshop.evaluation.table
import workshop.training.tokens, workshop.training.launch
print([name for name in ("torch", "nltk", "transformers", "pandas", "matplotlib") if name in sys.modules])
"""
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
