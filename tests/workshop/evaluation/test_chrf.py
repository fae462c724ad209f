"""chrF is sacrebleu's."""

import random
import unicodedata

import pytest

from workshop.evaluation.chrf import chrf
from workshop.evaluation.rouge import rouge_l

KOREAN = "한빛전자가 20일 “용량을 37% 늘렸다”고 밝혔다."
# What sacrebleu 2.6.0 says: CHRF().sentence_score(summary, [reference]).score
SACREBLEU = [
    ("한국은행은 기준금리를 3.50%로 올렸다.", "한국은행이 기준금리를 3.25%로 내렸다.", 42.349572870083705),
    ("한빛전자가 20일 “용량을 37% 늘렸다”고 밝혔다.", "한빛전자가 용량을 늘렸다.", 23.539176959817315),
    ("가나다", "가나다라마바사아자차", 57.90258449304174),
    ("AI 반도체 漢江 😀 1,200억 원", "ai 반도체 漢江 😀 1200억 원", 54.05718026019579),
    ("눈이 왔다", "The Bank of Korea raised rates.", 0.0),
    ("눈이 왔다", "", 0.0),
    ("비", "비", 100.0),
    (
        "정부가 새 정책을 내놓았다.",
        "정부가 새 정책을 내놓았다. 정부가 새 정책을 내놓았다.",
        79.59827249725828,
    ),
    (
        "올 3분기 매출은 4,210억 원으로 1년 전보다 12.4% 늘었다.",
        "매출이 올 3분기 4,210억 원, 12.4% 증가",
        34.14420541990732,
    ),
]


def by_hand(reference: str, summary: str) -> float:
    """The definition again, without anything of the module: matches are struck off a list."""
    target, said = ("".join(text.split()) for text in (reference, summary))
    shares = []
    for length in range(1, 7):
        asked = [target[i : i + length] for i in range(len(target) - length + 1)]
        given = [said[i : i + length] for i in range(len(said) - length + 1)]
        if not asked or not given:
            continue
        left, num_common = list(asked), 0
        for ngram in given:
            if ngram in left:
                left.remove(ngram)
                num_common += 1
        shares.append((num_common / len(given), num_common / len(asked)))
    precision = sum(share for share, _ in shares) / len(shares) if shares else 0
    recall = sum(share for _, share in shares) / len(shares) if shares else 0
    return 5 * precision * recall / (4 * precision + recall) if precision + recall else 0.0


@pytest.mark.parametrize(("reference", "summary", "score"), SACREBLEU)
def test_scores_are_those_of_sacrebleu(reference: str, summary: str, score: float):
    assert chrf(reference, summary) == pytest.approx(score / 100, abs=1e-9)


def test_scores_are_those_of_the_definition():
    draw = random.Random(11)
    words = ["은행이", "은행은", "37%", "“금리를", "올렸다.", "GPU", "漢江", "😀", "1,200억", "가", "\x07"]
    num_nonzero = 0
    for _ in range(400):
        reference = " ".join(draw.choices(words, k=draw.randint(0, 9)))
        summary = " ".join(draw.choices(words, k=draw.randint(0, 9)))
        score = chrf(reference, summary)
        assert score == pytest.approx(by_hand(reference, summary), abs=1e-9)
        num_nonzero += score > 0
    assert num_nonzero > 250


def test_another_particle_costs_less_than_another_word():
    reference = "한국은행은 기준금리를 올렸다"
    particle, word = "한국은행이 기준금리도 올렸다", "공정위가 과징금을 올렸다"
    assert rouge_l(reference, particle) == rouge_l(reference, word)
    assert chrf(reference, particle) > 2 * chrf(reference, word)


@pytest.mark.parametrize("other", [unicodedata.normalize("NFD", KOREAN), KOREAN.replace("37", "３７")])
def test_other_forms_of_the_same_text_score_one(other: str):
    assert other != KOREAN
    assert chrf(KOREAN, other) == pytest.approx(1)
