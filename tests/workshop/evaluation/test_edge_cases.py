"""Any text is measured: a finite value between its bounds, the same for every form of the same text."""

import unicodedata

import numpy as np
import pytest

from workshop.evaluation.leaks import twins
from workshop.evaluation.scores import COUNTS, Scores, describe_systems, score_systems

KOREAN = "한빛전자가 20일 “용량을 37% 늘렸다”고 밝혔다."
TEXTS = {
    "usual": KOREAN,
    "NFD": unicodedata.normalize("NFD", KOREAN),
    "emoji": "금리가 😀👨‍👩‍👧 올랐다 🇰🇷",
    "hanja": "漢江의 氣溫이 三十度다.",
    "half-width": "ﾤￂﾤￂ 37％ ｶﾅ",
    "mixed": "GPU 8장으로 Llama-3를 fine-tuning했다.",
    "single jamo": "ㅋㅋㅋ ㅠㅠ ㄱㅏ",
    "empty": "",
    "white space": " \t\n\u3000\u00a0",
    "punctuation": "…!? “” —",
    "control characters": "금리\x00가\x07 올\x1b[31m랐다\x85",
    "half a surrogate pair": "금리가 \ud800 올랐다",
    "direction marks": "\u202e금리가\u200b \ufeff올랐다\u202c",
    "no white space": "금리가올랐다" * 400,
    "one letter": "가" * 3_000,
    "very long": (KOREAN + " ") * 300,
    "English": "The Bank of Korea raised its rate to 3.5 %.",
    "another script": "Банк повысил ставку до 3,5 %. البنك",
}
# Each text as the answer to each: article, reference and summary may be any.
OTHERS = list(TEXTS.values())
SYSTEMS = {name: [text] * len(OTHERS) for name, text in TEXTS.items()}


@pytest.fixture(scope="module")
def measured() -> list[Scores]:
    return [
        score_systems(OTHERS, OTHERS, SYSTEMS, units=("word", "syllable", "morpheme")),
        describe_systems(OTHERS, OTHERS, SYSTEMS),
    ]


def test_every_measure_of_every_text_is_finite_and_within_its_bounds(measured: list[Scores]):
    num_values = 0
    for scores in measured:
        for system, metrics in scores.items():
            for metric, values in metrics.items():
                highest = np.inf if metric in COUNTS | {"length_ratio"} else 1 + 1e-9
                for other, value in zip(TEXTS, values, strict=True):
                    assert 0 <= value <= highest, (system, metric, other)  # neither NaN is
                    num_values += 1
    assert num_values > 6_000


def test_a_text_in_its_letters_is_measured_as_the_usual_one(measured: list[Scores]):
    for scores in measured:
        for metric, values in scores["NFD"].items():
            assert values.tolist() == pytest.approx(scores["usual"][metric].tolist(), abs=1e-9), metric


def test_every_text_finds_its_twin():
    found = twins(OTHERS, OTHERS, list(zip(OTHERS, OTHERS, strict=True)))
    assert None not in found
    assert twins([TEXTS["NFD"]], ["가"], [(KOREAN, "나")]) == ["나"]


def test_no_article_gives_no_value():
    for scores in (score_systems([], [], {"one": []}), describe_systems([], [], {"one": []})):
        assert {metric: values.size for metric, values in scores["one"].items()} == dict.fromkeys(
            scores["one"], 0
        )
