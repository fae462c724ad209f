"""Questions with answers on generated articles: `ask(list(generator.rows_with_values(90, 1)), 100, seed=1)`.

The answers are the values that were drawn for the article, so nobody has to find them. Deterministic: the
same articles and seed give the same questions on every machine and Python version.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from sample.news.josa import HANGUL_FIRST, HANGUL_LAST, NUM_FINALS, fill
from sample.news.other_words import FIELDS_IN_OTHER_WORDS, in_other_words

Drawn = tuple[dict[str, str], dict[str, str]]
"""A row and its values, as generator.rows_with_values yields them."""

KINDS = ("amount", "place", "promise", "who", "when")
"""What is asked for: a fifth each."""
WORDINGS = ("direct", "direct", "keywords", "paraphrase", "typing error")
"""How it is put: two fifths direct, a fifth of each other one, and as many of each kind."""
SHARES = len(KINDS) * len(WORDINGS)
"""In so many questions, and every multiple of it, the shares are exact."""

# As the base model was asked in its pre-training (sample/base/corpus.py), after the article and "질문: ",
# with the organisation before it, so that two articles can be told apart. Not with its particle: "{org}의
# {amount:은}?" was asked there for the other organisation's amount, and 5 % are right, without it 93 %.
_MODEL_QUESTIONS = {
    "amount": "{org} {amount:은}?",
    "place": "{org} {object:은} 어디에서?",
    "promise": "{org} {title}의 약속은?",
    "who": "{org} {title:은} 누구?",
    "when": "{org:은} 언제?",
}
# The first form stands in the article word for word.
_ANSWERS = {
    "amount": ("{n1}{unit}",),
    "place": ("{place}",),
    "promise": ("{goal}",),
    "who": ("{person}", "{person} {title}"),
    "when": ("{when} {day}", "{day}"),  # a day alone is right; the right day in the wrong month is not
}
_DIRECT = {
    "amount": "{org}의 {amount:은} 얼마인가요?",
    "place": "{org:이} {object:을} {action}{DONE} 곳은 어디인가요?",
    "promise": "{org} {title:은} 무엇을 약속했나요?",
    "who": "{org} {title:은} 누구인가요?",
    "when": "{org:이} {object:을} {action}{DONE} 날은 언제인가요?",
}
_KEYWORDS = {
    "amount": "{org} {amount}",
    "place": "{org} {object} 장소",
    "promise": "{org} {title} 약속",
    "who": "{org} {title} 이름",
    "when": "{org} {object} {action} 날짜",
}
_PARAPHRASES = {
    "amount": "{sector} 소식 가운데 {other:은} 규모가 얼마나 되나요?",
    "place": "{sector} 소식 가운데 {other:은} 어느 동네에 가야 볼 수 있나요?",
    "promise": "{sector} 소식 가운데 {other}, 책임자가 앞으로 어떻게 하겠다고 했나요?",
    "who": "{sector} 소식 가운데 {other}, 맡아서 이끄는 분의 성함이 어떻게 되나요?",
    "when": "{sector} 소식 가운데 {other:은} 며칠에 볼 수 있나요?",
}
_TEMPLATES = {
    "direct": _DIRECT,
    "keywords": _KEYWORDS,
    "paraphrase": _PARAPHRASES,
    "typing error": _DIRECT,
}
# Neighbours on the keyboard, or of one sound: places in ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ.
_VOWELS = {0: 4, 1: 5, 4: 0, 5: 1, 8: 13, 13: 8, 18: 13, 20: 0}
_NUM_VOWELS = 21


def ask(articles: Sequence[Drawn], num_questions: int, *, seed: int) -> list[dict]:
    """Return questions on the articles, each of which one article alone answers.

    Args:
        articles: rows with their values.
        num_questions: how many; in multiples of SHARES the shares of KINDS and WORDINGS are exact.
        seed: of the random source; another seed asks other questions of the same articles.

    Returns:
        Rows with row (the article's place in `articles`), wording (one of WORDINGS), asks_for (one of KINDS),
        question (what a reader types; it names the organisation, mistyped in "typing error", or says in other
        words what the article is about), model_question (the same, as the base model knows it, to stand
        behind the article) and answers, the first of which stands in the article word for word.

    Raises:
        ValueError: when the articles do not have as many questions.
    """
    rng = random.Random(f"questions {seed}")
    named = Counter(values["org"] for _, values in articles)
    about = Counter(in_other_words(values["object"]) for _, values in articles)
    order = list(range(len(articles)))
    rng.shuffle(order)
    times_asked: Counter[int] = Counter()
    asked: set[tuple[int, str, str]] = set()
    questions = []
    for index in range(num_questions):
        block = index // len(KINDS)
        kind, wording = KINDS[index % len(KINDS)], WORDINGS[(index + block) % len(WORDINGS)]
        possible = []
        for place, row in enumerate(order):
            values = articles[row][1]
            is_only_one = named[values["org"]] == 1
            if wording == "paraphrase":
                is_only_one = about[in_other_words(values["object"])] == 1
            if is_only_one and (row, kind, wording) not in asked:
                possible.append((times_asked[row], place, row))
        if not possible:
            raise ValueError(
                f"found {len(articles)} articles, which have {index} questions of these shares; "
                f"expected {num_questions}: ask for fewer questions"
            )
        row = min(possible)[2]
        times_asked[row] += 1
        asked.add((row, kind, wording))
        questions.append({"row": row, **_question(rng, articles[row][1], kind, wording, set(named))})
    return questions


def _question(
    rng: random.Random, values: dict[str, str], kind: str, wording: str, organisations: set[str]
) -> dict:
    done = "한" if values["when"] == "지난" else "할"
    sector, other = FIELDS_IN_OTHER_WORDS[values["field"]], in_other_words(values["object"])
    shown = {**values, "DONE": done, "sector": sector, "other": other}
    if wording == "typing error":
        shown["org"] = mistyped(rng, values["org"], organisations)
    return {
        "wording": wording,
        "asks_for": kind,
        "question": fill(_TEMPLATES[wording][kind], shown),
        "model_question": fill(_MODEL_QUESTIONS[kind], values),
        "answers": [fill(answer, values) for answer in _ANSWERS[kind]],
    }


def mistyped(rng: random.Random, name: str, others: set[str]) -> str:
    """Return a name with one of its first two syllables mistyped: another vowel, or no final consonant.

    Args:
        rng: source of chance.
        name: of two or more syllables of Hangul.
        others: names that it may not become.
    """
    while True:
        place = rng.randrange(2)
        syllable = ord(name[place])
        if not HANGUL_FIRST <= syllable <= HANGUL_LAST:
            raise ValueError(
                f"found the name {name!r}; expected one that begins with two syllables of Hangul"
            )
        first, rest = divmod(syllable - HANGUL_FIRST, _NUM_VOWELS * NUM_FINALS)
        vowel, final = divmod(rest, NUM_FINALS)
        if rng.random() < 0.5:
            final = 0
        else:
            vowel = _VOWELS.get(vowel, vowel)
        written = chr(HANGUL_FIRST + (first * _NUM_VOWELS + vowel) * NUM_FINALS + final)
        wrong = name[:place] + written + name[place + 1 :]
        if wrong != name and wrong not in others:
            return wrong
