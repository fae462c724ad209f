"""The scores of one request: is it an attack, an insult, off the topic; does the answer fit, is it supported?

    scores = score_record(request, article, answer)     # about 1 ms
    flags(scores)                                       # ["attack"]: what lies beyond its threshold
    nearest_attack(request, article)                    # the known attack that it resembles, and where

Everything is computed from the texts alone, by counting n-grams of labelled examples (the tuning texts of
`sample.monitoring`, and known.yaml): no model, no endpoint, the same on every processor. What is not there to
be judged is nan: groundedness without an article, sentiment where nobody said anything.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from workshop.monitoring.letters import letters
from workshop.monitoring.ngrams import LogOdds, NearestKnown
from workshop.monitoring.support import groundedness
from workshop.news.sentences import sentences

MONITORS = ("attack", "toxicity", "sentiment", "topic_fit", "relevance", "groundedness")
"""Names of the scores. High is bad in the first two, low is bad in the others."""

OF_ANSWERS = ("relevance", "groundedness")

HIGH_IS_BAD = frozenset({"attack", "toxicity"})
_KNOWN_PATH = Path(__file__).with_name("known.yaml")
_NUM_ANSWER_GRAM_CHARS = 2
_NUM_REPEAT_GRAM_CHARS = 4
_MIN_SENTENCE_LETTERS = 4


@dataclass(frozen=True, kw_only=True)
class NearestAttack:
    """Attributes: similarity (cosine), sentence of the request or article, the known attack, its family."""

    similarity: float
    sentence: str
    attack: str
    kind: str


class Models:
    """What the four monitors that learn from examples have counted.

    Args:
        rows: Of `sample.monitoring.texts.rows("tuning")`, or a part of them.
    """

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        known = _known()
        attacks = [(kind, text) for kind in ("attack", "injection") for text in known[kind]]
        attacks += [(row["kind"], row["text"]) for row in _of(rows, "attack", 1) if not row.get("article")]
        news = [one for row in _of(rows, "attack", 0) for one in sentences(row.get("article") or "")]
        requests = known["asked"] + _texts(rows, "attack", 0)
        self.attacks = attacks
        self._nearest = NearestKnown([text for _, text in attacks], requests)
        self._attack = LogOdds([text for _, text in attacks], requests + news)
        self._toxicity = LogOdds(
            known["toxic"] + _texts(rows, "toxicity", 1),
            known["not toxic"] + known["asked"] + _texts(rows, "toxicity", 0),
        )
        self._sentiment = LogOdds(
            known["positive"] + known["neutral"] + _texts(rows, "sentiment", "positive", "neutral"),
            known["negative"] + _texts(rows, "sentiment", "negative"),
        )
        self._topic = LogOdds(
            known["inside"] + known["asked"] + _texts(rows, "topic", 0),
            known["outside"] + _texts(rows, "topic", 1),
        )

    def attack(self, request: str, article: str = "") -> float:
        """Return the log-odds of the most suspicious sentence to be an attack and no request or news."""
        return max((self._attack.score(one) for one in _parts(request, article)), default=0.0)

    def nearest_attack(self, request: str, article: str = "") -> NearestAttack | None:
        """Return the most suspicious sentence and the known attack beside it; None where nothing was said."""
        sentence = max(_parts(request, article), key=self._attack.score, default=None)
        if sentence is None:
            return None
        similarity, place = self._nearest.nearest(sentence)
        kind, attack = self.attacks[place]
        return NearestAttack(similarity=similarity, sentence=sentence, attack=attack, kind=kind)

    def toxicity(self, text: str) -> float:
        """Return the log-odds of insult, hate or threat against other requests; nan for no text."""
        return self._toxicity.score(text) if text else math.nan

    def sentiment(self, text: str) -> float:
        """Return how content a text sounds: below 0 discontent; nan for no text."""
        return self._sentiment.score(text) if text else math.nan

    def topic_fit(self, text: str) -> float:
        """Return the log-odds that a text asks for what the service does; nan for no text."""
        return self._topic.score(text) if text else math.nan


@cache
def models() -> Models:
    """Return the models of all tuning texts, counted once."""
    from sample.monitoring.texts import rows

    return Models(rows("tuning"))


def score_record(request: str, article: str = "", answer: str = "") -> dict[str, float]:
    """Score one request with its answer.

    Args:
        request: What a person asked beyond the workshop's fixed request; "" when nothing.
        article: The article that it is about; "" when there is none.
        answer: What the model said.

    Returns:
        A value for each of MONITORS; nan where there is nothing to judge.
    """
    return {**score_request(request, article), **answer_quality(request, article, answer)}


def score_request(request: str, article: str = "") -> dict[str, float]:
    """Score what was asked, as in `score_record`, before there is an answer."""
    model = models()
    return {
        "attack": model.attack(request, article),
        "toxicity": model.toxicity(request),
        "sentiment": model.sentiment(request),
        # An article makes its request one that the service is for, however that is put.
        "topic_fit": max((model.topic_fit(one) for one in (request, article) if one), default=math.nan),
    }


def nearest_attack(request: str, article: str = "") -> NearestAttack | None:
    """Return the most suspicious sentence and the known attack beside it, as `Models.nearest_attack`."""
    return models().nearest_attack(request, article)


def answer_quality(request: str, article: str, answer: str) -> dict[str, float]:
    """Score an answer without a reference: relevance and groundedness, as in `score_record`."""
    return {
        "relevance": relevance(article or request, answer),
        "groundedness": groundedness(article, answer),
    }


def flags(scores: Mapping[str, float]) -> list[str]:
    """Return the monitors whose score lies beyond its threshold."""
    from workshop.monitoring.thresholds import load

    return [name for name, threshold in load().items() if threshold.is_beyond(scores.get(name, math.nan))]


def relevance(context: str, answer: str) -> float:
    """Return the share of an answer's syllable pairs that its article has, less its repetitions."""
    said, asked = letters(answer), letters(context)
    pairs = _grams(said, _NUM_ANSWER_GRAM_CHARS)
    if not pairs:
        return 0.0
    there = set(_grams(asked, _NUM_ANSWER_GRAM_CHARS))
    longer = _grams(said, _NUM_REPEAT_GRAM_CHARS)
    distinct = len(set(longer)) / len(longer) if longer else 1.0
    return sum(pair in there for pair in pairs) / len(pairs) * distinct


def _parts(request: str, article: str) -> Iterator[str]:
    """Yield what is looked at by itself: each sentence, and a request as a whole."""
    seen = set()
    for one in (request, *sentences(request), *sentences(article)):
        if one not in seen and len(letters(one)) >= _MIN_SENTENCE_LETTERS:
            seen.add(one)
            yield one


def _grams(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(len(text) - size + 1)]


def _of(rows: Sequence[Mapping[str, Any]], monitor: str, *labels: object) -> list[Mapping[str, Any]]:
    return [row for row in rows if row["monitor"] == monitor and row["label"] in labels]


def _texts(rows: Sequence[Mapping[str, Any]], monitor: str, *labels: object) -> list[str]:
    return [row["text"] for row in _of(rows, monitor, *labels) if not row.get("article")]


@cache
def _known() -> dict[str, list[str]]:
    import yaml

    return yaml.safe_load(_KNOWN_PATH.read_text(encoding="utf-8"))
