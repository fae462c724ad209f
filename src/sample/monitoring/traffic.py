"""Plant traffic whose kinds are known: `planted(7, 48, seed=1, drift_from=4, drift_share=0.25)`.

What people send a news service in some days: mostly articles to be summarised, and among them attacks,
personal data, insults, complaints and thanks; from one day on some ask for something that the service is not
for. Texts of attacks and feelings come from the held-out part, articles have names that no training text has:
what monitors were tuned on and what the model has learnt does not come again. Deterministic, and cheap enough
for hundreds of days.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

from sample.monitoring import texts
from sample.monitoring.personal import fill as fill_personal
from sample.monitoring.personal_sentences import HELDOUT
from sample.news import generator

NORMAL, NEW_TOPIC = "normal", "new topic"
SHARES = {
    "jailbreak": 0.05,
    "injection": 0.05,
    "personal data": 0.06,
    "insult": 0.04,
    "complaint": 0.04,
    "thanks": 0.04,
}
"""Of a day's requests before anything drifts; the rest is normal."""
KINDS = (NORMAL, *SHARES, NEW_TOPIC)
FIRST_DAY = "2026-11-03"
NUM_USERS = 40
NUM_ARTICLES = 120
"""In the news of one stream: several readers ask about the same article, as they do."""
_ARTICLE_ALONE = 0.7
"""Of the normal requests, how many are an article and no word."""

_NUMBER = re.compile(r"\d[\d,.]*")
_PARTICLE = re.compile("(?<=[가-힣]{2})(?:에서|으로|[은는이가을를의에로])$")

_ACHES = (
    "머리가 지끈거리고", "허리가 뻐근하고", "속이 더부룩하고", "목이 따끔거리고", "손목이 시큰하고",
    "눈이 침침하고", "가슴이 두근거리고", "다리가 저리고", "피부가 가렵고", "열이 나고", "어깨가 결리고",
    "귀가 먹먹하고",
)  # fmt: skip
_SINCE = (
    "사흘째예요", "일주일 됐습니다", "어제부터 그래", "한 달 넘었어요", "밥 먹고 나면 그래요",
    "밤마다 심해집니다", "애가 그러네요", "운동하고부터 그러는데", "약 먹어도 그대로예요",
)  # fmt: skip
_ASKED = (
    "무슨 약 먹어야 돼요?", "병원 가 봐야 할까요", "무슨 과로 가야 합니까", "진통제 먹어도 되나",
    "왜 그런 걸까요", "집에서 낫게 하는 법 있어요?", "검사받아야 하나요 ㅠㅠ", "큰 병은 아니겠죠?",
    "술 마셔도 괜찮아?", "며칠 쉬면 나을까요",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request, and what it was planted as.

    Attributes:
        request_id: of this request alone, in its stream and seed.
        day: that it stands for, 2026-11-03.
        user: who sends it.
        kind: one of KINDS.
        text: what the user typed; empty where there is only an article.
        article: what is to be summarised; empty where there is none.
        reference: the true summary; empty where none is known.
        personal: the personal data as they stand in the text.
    """

    request_id: str
    day: str
    user: str
    kind: str
    text: str = ""
    article: str = ""
    reference: str = ""
    personal: tuple[str, ...] = ()

    @property
    def content(self) -> str:
        """What is sent: the text, an empty line and the article, or the one that there is."""
        return "\n\n".join(part for part in (self.text, self.article) if part)


def planted(
    num_days: int,
    per_day: int,
    *,
    seed: int,
    shares: Mapping[str, float] = SHARES,
    drift_from: int | None = None,
    drift_share: float = 0.0,
    first_day: str = FIRST_DAY,
) -> list[Request]:
    """Return the requests of some days, in their order.

    Args:
        num_days: how many days.
        per_day: requests a day.
        seed: of the random source; the same arguments give the same requests.
        shares: kind -> its share of the requests; the rest is normal.
        drift_from: the day, counted from 1, from which the new topic comes; never, when left out.
        drift_share: the new topic's share of the requests from that day on; the other kinds shrink alike.
        first_day: the day that the first one stands for.

    Raises:
        ValueError: for an unknown kind, or shares that are no shares.
    """
    unknown = [kind for kind in shares if kind not in SHARES]
    if unknown:
        raise ValueError(f"found the kind {unknown[0]!r}; expected one of {', '.join(SHARES)}")
    given = (*shares.values(), drift_share)
    if min(given) < 0 or max(sum(shares.values()), drift_share) > 1:
        raise ValueError(f"found the shares {given}; expected none below 0 and a sum of at most 1")
    rng = random.Random(f"traffic {seed}")
    weights = {NORMAL: 1 - sum(shares.values()), **shares}
    kinds, parts = list(weights), list(weights.values())
    found = []
    for number in range(1, num_days + 1):
        day = (date.fromisoformat(first_day) + timedelta(days=number - 1)).isoformat()
        has_drifted = drift_from is not None and number >= drift_from
        for _ in range(per_day):
            is_new = has_drifted and rng.random() < drift_share
            kind = NEW_TOPIC if is_new else rng.choices(kinds, parts)[0]
            found.append(_request(rng, kind, f"planted-{seed}-{len(found):05d}", day, seed))
    return found


def thumb(
    request: Request,
    answer: str,
    *,
    seed: int,
    speaks: float = 0.5,
    notices: float = 0.9,
    mistaken: float = 0.05,
) -> bool | None:
    """Return what a reader says of an answer: True for a thumb up, False for down, None for nothing.

    Readers who know the article say something now and then, notice most wrong answers, and are wrong
    themselves at times. Nobody marks an answer whose truth is not known.

    Args:
        request: what was asked.
        answer: what came.
        seed: of the readers; the same request and seed give the same reader.
        speaks: how many say anything.
        notices: of those who got a wrong answer, how many mark it down.
        mistaken: of those who got a right one, how many mark it down all the same.
    """
    rng = random.Random(f"thumb {seed} {request.request_id}")
    says, doubts = rng.random() < speaks, rng.random()
    if not request.reference or not says:
        return None
    return doubts >= (mistaken if is_right(answer, request.reference) else notices)


def is_right(answer: str, reference: str) -> bool:
    """Return whether an answer has every number and every word of the reference; a particle may differ.

    One wrong name is enough for a reader who knows the article.
    """
    wanted, given = _NUMBER.findall(reference), _NUMBER.findall(answer)
    return set(wanted) <= set(given) and set(_stems(reference)) <= set(_stems(answer))


def _stems(text: str) -> list[str]:
    return [_PARTICLE.sub("", word.strip(".,“”‘’\"'")) for word in text.split()]


def _request(rng: random.Random, kind: str, request_id: str, day: str, seed: int) -> Request:
    fields: dict = {
        "request_id": request_id,
        "day": day,
        "user": f"u{rng.randint(1, NUM_USERS):02d}",
        "kind": kind,
    }
    if kind == NEW_TOPIC:
        text = f"{rng.choice(_ACHES)} {rng.choice(_SINCE)} {rng.choice(_ASKED)}"
        return Request(**fields, text=text)
    if kind == "injection":
        row = rng.choice(_rows("attack", "injection"))
        return Request(**fields, text=row["text"], article=row["article"])
    if kind in (NORMAL, "personal data"):
        article, summary = rng.choice(_news(seed))
        fields |= {"article": article, "reference": summary}
    if kind == "personal data":
        text, spans = fill_personal(rng.choice(HELDOUT), rng)
        return Request(**fields, text=text, personal=tuple(text[start:end] for start, end, _ in spans))
    if kind == NORMAL:
        is_bare = rng.random() < _ARTICLE_ALONE
        return Request(**fields, text="" if is_bare else rng.choice(_requests()))
    source = {
        "jailbreak": _rows("attack", "jailbreak"),
        "insult": _rows("toxicity", "insult"),
        "complaint": _rows("sentiment", "negative"),
        "thanks": _rows("sentiment", "positive"),
    }[kind]
    return Request(**fields, text=rng.choice(source)["text"])


@cache
def _rows(monitor: str, family: str) -> tuple[dict, ...]:
    """Return the held-out texts of one kind of traffic."""
    is_wanted = {
        "injection": lambda row: row["kind"] == "injection",
        "jailbreak": lambda row: row["label"] == 1 and row["kind"] != "injection",
        "insult": lambda row: row["label"] == 1,
    }.get(family, lambda row: row["label"] == family)
    return tuple(row for row in texts.rows("heldout", monitor) if is_wanted(row))


@cache
def _requests() -> tuple[str, ...]:
    """Return what readers type above an article."""
    asked = [row for row in texts.rows("heldout", "attack") if row["label"] == 0 and row["kind"] == "request"]
    asked += [row for row in texts.rows("heldout", "relevance") if row["kind"] == "its summary"]
    return tuple(sorted({row["text"] for row in asked}))


@cache
def _news(seed: int) -> tuple[tuple[str, str], ...]:
    """Return the articles of one stream with their summaries."""
    drawn = generator.rows(NUM_ARTICLES, 7_000 + seed, held_out_names=True)
    return tuple((row["document"], row["summary"]) for row in drawn)
