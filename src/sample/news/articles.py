"""Write one generated article and its summary from a topic and a random source.

The summary joins facts that stand apart in the article: who did what, when and where (the main
sentence), how much (the amount sentence) and what is promised (the speaker's sentence). To pick them one
has to read: the amount stands beside last year's or the planned one, another organisation brings its own
number, somebody without an office is quoted as well, the order of the sentences changes, and whether
something has happened or is planned is said by one word (지난 or 오는) and the verb's ending.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from sample.news import names, numerals
from sample.news.josa import fill
from sample.news.topics import MODIFIERS, Topic

LEADS = (
    "{field:을} 둘러싼 관심이 갈수록 커지고 있다.",
    "최근 {field}에서 새로운 시도가 잇따르고 있다.",
    "올해 들어 {field:이} 다시 주목받고 있다.",
    "{field}에 대한 기대와 우려가 엇갈리고 있다.",
    "{field:은} 지난 3년 동안 해마다 {n0}%씩 커졌다.",
    "{n6}명을 조사했더니 절반이 {field:을} 눈여겨본다고 답했다.",
    "{field:을} 눈여겨본다는 답이 한 해 사이에 {points}%p 늘었다.",
)
MAIN_PAST = (
    "{org:은} 지난 {day} {place}에서 {object:을} {action}했다고 밝혔다.",
    "{object:이} 지난 {day} {place}에서 {action}됐다고 {org:이} 밝혔다.",
    "{place}에서는 지난 {day} {org:이} {object:을} {action}했다.",
    "지난 {day} {org:이} {object:을} {action}한 곳은 {place:이다}.",
)
MAIN_PLANNED = (
    "{org:은} 오는 {day} {place}에서 {object:을} {action}한다고 밝혔다.",
    "{object:이} 오는 {day} {place}에서 {action}된다고 {org:이} 밝혔다.",
    "{place}에서는 오는 {day} {org:이} {object:을} {action}한다.",
    "오는 {day} {org:이} {object:을} {action}할 곳은 {place:이다}.",
)
AMOUNTS = (
    "{amount:은} {n1}{unit:으로} 지난해 {n2}{unit}보다 늘었다.",
    "지난해 {n2}{unit:이던} {amount:은} 올해 {n1}{unit:으로} 바뀌었다.",
    "당초 {n2}{unit:을} 예상했으나 {amount:은} {n1}{unit:으로} 정해졌다.",
    "{amount:은} {n1}{unit}인데, 처음 계획은 {n2}{unit:이었}다.",
    "이번 {amount:은} 모두 {n1}{unit:이다}.",
)
SPEAKERS = (
    "{person} {title:은} “{goal}”고 말했다.",
    "{person} {title:은} 취재진에게 “{goal}”고 강조했다.",
    "“{goal}”는 것이 {person} {title}의 설명이다.",
    "이에 대해 {person} {title:은} “{goal}”고 약속했다.",
)
# Each group gives at most one sentence.
ASIDES = (
    (
        "앞서 {org2:은} {place2}에서 {amount} {n3}{unit:을} 내세웠지만 성과는 작았다.",
        "경쟁에 나선 {org2}의 {amount:은} {n3}{unit}에 머물렀다.",
    ),
    (
        "{person2} {outsider:은} “{opinion}”고 평가했다.",
        "{place2}에서 온 {person2} {outsider:은} “{opinion}”고 전했다.",
    ),
    ("현장에는 {n4}명이 찾아와 설명을 들었다.",),
    ("{org:은} {year}년에 문을 열었다.",),
    ("자세한 내용은 {org} 누리집에서 볼 수 있다.",),
    ("이날 행사는 {n5}시간 동안 이어졌다.",),
)
OUTSIDERS = ("교수", "연구원", "평론가", "주민", "상인")
OPINIONS = (
    "기대보다 늦었다",
    "아직 갈 길이 멀다",
    "지켜볼 만하다",
    "비용이 걱정된다",
    "반가운 소식이다",
    "준비가 더 필요하다",
)
PRESSES = ("한결일보", "새길경제", "누리신문", "온빛뉴스", "다온타임스")

_SUMMARY = (
    "{org:이} WHEN {day} {place}에서 {amount} {n1}{unit} 규모의 {object:을} {action}DONE. "
    "{person} {title:은} “{goal}”고 말했다."
)
SUMMARY_PAST = _SUMMARY.replace("WHEN", "지난").replace("DONE", "했다")
SUMMARY_PLANNED = _SUMMARY.replace("WHEN", "오는").replace("DONE", "한다")


@dataclass(frozen=True, kw_only=True)
class Article:
    """One article, its summary and the values that were drawn for it."""

    title: str
    document: str
    summary: str
    values: dict[str, str]


def draw_values(rng: random.Random, topic: Topic, source: names.Names, manner: str) -> dict[str, str]:
    """Draw everything the sentence patterns need; distractors always differ from what they distract from."""

    def place() -> str:
        return source.stem() + rng.choice(names.PLACE_ENDS)

    # What reaches the summary is in plain digits: the shipped base was not trained on other writings.
    amounts = numerals.Amounts(rng, numerals.PLAIN, topic.unit, decimals=topic.decimals)
    organisation, where, speaker = source.stem() + rng.choice(topic.organisations), place(), source.person()
    thing = rng.choice(topic.objects)
    if rng.random() < 0.5:
        thing = f"{rng.choice(MODIFIERS)} {thing}"
    if rng.random() < 0.4:
        thing = f"‘{source.stem()}’ {thing}"
    return {
        "field": topic.field,
        "org": organisation,
        "org2": _differs(lambda: source.stem() + rng.choice(topic.organisations), organisation),
        "place": where,
        "place2": _differs(place, where),
        "person": speaker,
        "person2": _differs(source.person, speaker),
        "title": rng.choice(topic.titles),
        "outsider": rng.choice(OUTSIDERS),
        "opinion": rng.choice(OPINIONS),
        "object": thing,
        "action": rng.choice(topic.actions),
        "amount": rng.choice(topic.amounts),
        "unit": amounts.unit,
        "day": names.day(rng),
        "year": _year(rng, manner),
        "goal": rng.choice(topic.goals).format(n=numerals.draw(rng)),
        "n0": str(rng.randint(11, 99)),
        "n1": amounts.draw(),
        "n2": amounts.draw(),
        "n3": amounts.draw(),
        "n4": numerals.draw_head_count(rng, manner),
        "n5": str(rng.randint(2, 9)),
        "n6": numerals.draw_head_count(rng, manner),
        "points": numerals.draw_points(rng),
    }


def write(rng: random.Random, topic: Topic, source: names.Names, *, manner: str | None = None) -> Article:
    """Write one article about a topic.

    Args:
        rng: source of chance: the same state gives the same article.
        topic: the words to use.
        source: the names to use.
        manner: how its numbers are written, a key of numerals.MANNERS; drawn when left out.

    Returns:
        An article of six to eight sentences; its first sentence never carries a fact of the summary.
    """
    manner = numerals.draw_manner(rng) if manner is None else manner
    values = draw_values(rng, topic, source, manner)
    planned = rng.random() < 0.4
    values["when"] = "오는" if planned else "지난"
    asides = [rng.choice(group) for group in rng.sample(ASIDES, rng.choice((2, 3, 4)))]
    body = [
        rng.choice(MAIN_PLANNED if planned else MAIN_PAST),
        rng.choice(AMOUNTS),
        rng.choice(SPEAKERS),
        *asides,
    ]
    rng.shuffle(body)
    document = " ".join(fill(sentence, values) for sentence in [rng.choice(LEADS), *body])
    summary = fill(SUMMARY_PLANNED if planned else SUMMARY_PAST, values)
    return Article(
        title=fill("{org}, {object} {action}", values), document=document, summary=summary, values=values
    )


def _year(rng: random.Random, manner: str) -> str:
    """Return a year before 년: 1987, or ’12 where a paper writes short."""
    if manner != numerals.PLAIN and rng.random() < 0.5:
        return f"’{rng.randint(1, 24):02d}"
    return str(rng.randint(1951, 2019))


def _differs(draw, taken: str) -> str:
    while (value := draw()) == taken:
        pass
    return value
