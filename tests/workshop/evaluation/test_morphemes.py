"""Morphemes are the analyser's, whatever the text, and ROUGE counts them like words."""

import random
import subprocess
import sys
import unicodedata

import pytest

from sample.news import handwritten
from workshop.evaluation.morphemes import MORPHEMES
from workshop.evaluation.rouge import KINDS, WORDS, rouge_l
from workshop.evaluation.scores import score_systems

KOREAN = "한빛전자가 20일 “용량을 37% 늘렸다”고 밝혔다."
SUMMARIES = [row["summary"] for split in ("train", "validation", "test") for row in handwritten.rows(split)]


def test_particles_and_endings_stand_on_their_own_and_punctuation_counts_for_nothing():
    assert MORPHEMES.tokenize("은행이 “3.5%를” 올렸다. 😀") == [
        "은행",
        "이",
        "3.5",
        "%",
        "를",
        "올리",
        "었",
        "다",
    ]


def test_another_particle_leaves_most_of_the_score():
    assert rouge_l("은행은 금리를 올렸다", "은행이 금리도 올렸다", WORDS) == pytest.approx(1 / 3)
    assert rouge_l("은행은 금리를 올렸다", "은행이 금리도 올렸다", MORPHEMES) == pytest.approx(5 / 7)


def test_every_score_equals_the_one_of_rouge_score_on_the_same_morphemes():
    from kiwipiepy import Kiwi
    from rouge_score.rouge_scorer import RougeScorer

    class Alone:
        """The analyser asked for one text at a time, and filtered by its own tags."""

        kiwi = Kiwi(num_workers=1, load_multi_dict=False)

        def tokenize(self, text: str) -> list[str]:
            tokens = self.kiwi.tokenize(unicodedata.normalize("NFKC", text).lower())
            return [
                token.form
                for token in tokens
                if token.tag not in ("SF", "SP", "SS", "SSO", "SSC", "SE", "SO")
            ]

    draw = random.Random(4)
    others = [" ".join(draw.sample(text.split(), k=len(text.split()) * 2 // 3)) for text in SUMMARIES]
    scores = score_systems(SUMMARIES, SUMMARIES, {"others": others}, units=["morpheme"])["others"]
    stock = RougeScorer(["rouge1", "rouge2", "rougeL"], tokenizer=Alone())
    for index, (reference, other) in enumerate(zip(SUMMARIES, others, strict=True)):
        expected = {
            name.removeprefix("rouge").lower(): score for name, score in stock.score(reference, other).items()
        }
        for kind in KINDS:
            assert scores[f"morpheme_rouge_{kind}"][index] == pytest.approx(expected[kind].fmeasure, abs=1e-9)


def test_a_text_has_the_same_morphemes_alone_as_among_others():
    assert [MORPHEMES.tokenize(text) for text in SUMMARIES] == MORPHEMES.tokenize_all(SUMMARIES)


@pytest.mark.parametrize(
    "other",
    [unicodedata.normalize("NFD", KOREAN), KOREAN.replace("37%", "３７％"), KOREAN.replace("나", "ﾤￂ")],
)
def test_other_forms_of_the_same_text_have_the_same_morphemes(other: str):
    assert MORPHEMES.tokenize(other) == MORPHEMES.tokenize(KOREAN)


def test_half_of_a_surrogate_pair_costs_that_character_alone():
    assert MORPHEMES.tokenize("은행이 \ud800 올렸다") == ["은행", "이", "올리", "었", "다"]


def test_each_different_text_is_analysed_once(monkeypatch):
    seen = []
    analyse = MORPHEMES.tokenize_all
    monkeypatch.setitem(
        sys.modules["workshop.evaluation.scores"]._TOKENIZERS,
        "morpheme",
        lambda texts: seen.extend(texts) or analyse(texts),
    )
    score_systems(
        [KOREAN] * 3,
        ["가", "나", "가"],
        {"one": ["가", "다", "라"], "two": ["다", "다", "나"]},
        units=["morpheme"],
    )
    assert sorted(seen) == ["가", "나", "다", "라"]


def test_the_analyser_is_loaded_only_for_morphemes():
    code = """
import sys
from workshop.evaluation.scores import describe_systems, score_systems
score_systems(["가"], ["가"], {"a": ["가"]}); describe_systems(["가"], ["가"], {"a": ["가"]})
print("kiwipiepy" in sys.modules)
"""
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"
