"""Make the labelled texts that rules can make: `python -m sample.monitoring.made` writes them.

Personal data in sentences; answers that fit their article and ones that do not; summaries of generated
articles with one thing changed, and unchanged. The held-out part draws from names that no training text has,
asks and answers in other words, and has kinds of changes that tuning does not have. What was written by hand
stays in the files as it is.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from itertools import islice
from typing import Any

from sample.monitoring.personal import fill as fill_personal
from sample.monitoring.personal_sentences import PATTERNS
from sample.monitoring.texts import PARTS, path_of
from sample.news import articles, generator, handwritten, topics
from sample.news.josa import fill

Row = dict[str, Any]
_SEEDS = {"tuning": 1901, "heldout": 1902}
_SPLITS = {"tuning": ("train", "validation"), "heldout": ("test",)}
_REQUESTS = {
    "tuning": (
        "이 기사를 두 문장으로 요약해 줘",
        "기자가 쓸 핵심 목표를 정리해 주세요",
        "기사 요약 부탁드려요",
    ),
    "heldout": ("요점만 간추려 주십시오", "이 보도 무슨 내용이야?", "회의용으로 짧게 줄여 줘"),
}
_GENERIC = {
    "tuning": (
        "네, 기사를 잘 읽었습니다. 더 궁금한 점이 있으면 말씀해 주세요.",
        "이 기사는 중요한 소식을 다루고 있으며 많은 사람이 관심을 가질 만합니다.",
        "죄송하지만 요청하신 내용을 처리할 수 없습니다.",
        "요약은 글의 핵심을 짧게 정리하는 일입니다.",
        "좋은 질문입니다. 도움이 되었기를 바랍니다.",
        "관계자는 앞으로도 최선을 다하겠다고 말했다.",
        "정부와 기업이 함께 노력해야 한다는 목소리가 나온다.",
        "자세한 내용은 기사 본문을 참고하시기 바랍니다.",
    ),
    "heldout": (
        "알겠습니다! 무엇이든 물어보세요 😊",
        "본 보도는 사회 전반에 시사하는 바가 크다고 하겠다.",
        "해당 질문에는 답변드리기 어렵습니다. 양해 부탁드립니다.",
        "여러 가지 의견이 있을 수 있으므로 균형 있게 살펴보는 것이 좋습니다.",
        "The article discusses an important event and its impact on society.",
        "업계에서는 기대와 걱정이 함께 나오고 있다.",
        "핵심을 정리하면 다음과 같습니다.",
        "지역 경제가 살아날 것으로 보인다.",
    ),
}
_ADDED = {
    "tuning": (
        "이 소식에 주가는 12% 올랐다.",
        "경찰은 관계자 세 명을 불러 조사하고 있다.",
        "내년에는 베트남에 지사를 세운다.",
    ),
    "heldout": (
        "환경 단체는 법원에 소송을 냈다.",
        "대통령도 현장을 찾아 격려했다.",
        "사업은 2031년까지 미뤄졌다.",
    ),
}
_RETOLD = {
    "tuning": "{place}에서 {object} {action} 소식이 나왔다. {org:이} 맡았고 {amount:은} {n1}{unit:이다}.",
    "heldout": "{org:이} {day} {object} {action} 일정을 알렸다. 장소는 {place}, {amount:은} {n1}{unit:이다}.",
}
NUM_OF_EACH = 4


def made_rows(part: str) -> list[Row]:
    """Return the rows that rules make for one part, always the same."""
    rng = random.Random(f"monitoring {part}")
    drawn = list(
        generator.rows_with_values(
            140, _SEEDS[part], topics=tuple(topics.BY_NAME), held_out_names=part == "heldout"
        )
    )
    rng.shuffle(drawn)
    hand = [row for split in _SPLITS[part] for row in handwritten.rows(split)]
    found = [*_personal(part, rng), *_relevance(part, rng, drawn[:70], hand)]
    found += _groundedness(part, rng, drawn[70:])
    return [{"id": f"{part}-rules-{index:04d}", **row, "made": "rules"} for index, row in enumerate(found)]


def _personal(part: str, rng: random.Random) -> Iterator[Row]:
    for pattern in PATTERNS[part]:
        text, spans = fill_personal(pattern, rng)
        kinds = sorted({kind for *_, kind in spans})
        kind = kinds[0] if len(kinds) == 1 else "several"
        yield {"monitor": "personal", "text": text, "label": 1, "kind": kind, "spans": spans}


def _relevance(part: str, rng: random.Random, drawn: list, hand: list[Row]) -> Iterator[Row]:
    def row(article: str, answer: str, label: int, kind: str, text: str = "") -> Row:
        text = text or rng.choice(_REQUESTS[part])
        return {"monitor": "relevance", "text": text, "article": article, "answer": answer,
                "label": label, "kind": kind}  # fmt: skip

    hand = hand[:10]
    generated = iter(drawn)
    for one in hand:
        yield row(one["document"], one["summary"], 0, "its summary")
        yield row(one["document"], _sentences(one["document"], 0, 2), 0, "its sentences")
    for index in range(33):
        one, values = next(generated)
        answer = (one["summary"], _sentences(one["document"], 1, 3), fill(_RETOLD[part], values))[index % 3]
        kind = ("its summary", "its sentences", "its facts retold")[index % 3]
        yield row(one["document"], answer, 0, kind)
    yield from _answers(part, row)
    for one, other in zip(hand, hand[1:] + hand[:1], strict=True):
        yield row(one["document"], other["summary"], 1, "another article")
    by_topic: dict[str, Row] = {}
    for one, values in generated:
        other = by_topic.pop(values["field"], None)
        if other is None:
            by_topic[values["field"]] = one
        else:
            yield row(one["document"], other["summary"], 1, "another article of its topic")
    for index, answer in enumerate(_GENERIC[part]):
        yield row(hand[index]["document"], answer, 1, "generic")
    for index, answer in enumerate(("", " ", "\n\n", "…")):
        yield row(hand[index]["document"], answer, 1, "empty")
    for index in range(6):
        one = hand[index]
        first = one["document"].split()[0]
        repeated = (f"{first} " * 30, "지난 지난 지난 " * 12, "했다." * 25)[index % 3].strip()
        yield row(one["document"], repeated, 1, "repetition")
    for index in range(4):
        request = _REQUESTS[part][index % 3]
        yield row(hand[index]["document"], request, 1, "the request again", request)


def _answers(part: str, row) -> Iterator[Row]:
    """Yield answers to questions on hand-written articles, each to its own and to another article's."""
    asked = [one for one in handwritten.questions() if one["split"] in _SPLITS[part]][::2][:10]
    for one, other in zip(asked, asked[1:] + asked[:1], strict=True):
        article = handwritten.rows(one["split"])[one["row"]]["document"]
        holds = next(text for text in _all_sentences(article) if one["answers"][0] in text)
        yield row(article, holds, 0, "an answer", one["question"])
        foreign = handwritten.rows(other["split"])[other["row"]]["document"]
        holds = next(text for text in _all_sentences(foreign) if other["answers"][0] in text)
        yield row(article, holds, 1, "another question's answer", one["question"])


def _groundedness(part: str, rng: random.Random, drawn: list) -> Iterator[Row]:
    def row(one: Row, answer: str, label: int, kind: str) -> Row:
        return {"monitor": "groundedness", "text": rng.choice(_REQUESTS[part]), "article": one["document"],
                "answer": answer, "label": label, "kind": kind}  # fmt: skip

    for index in range(30):
        one, values = drawn[index]
        answer = (one["summary"], _sentences(one["document"], 1, 3), fill(_RETOLD[part], values))[index % 3]
        yield row(one, answer, 0, ("its summary", "its sentences", "its facts retold")[index % 3])
    changes = [kind for kind in CHANGES if part == "heldout" or kind not in HELD_OUT_CHANGES]
    left = drawn[30:]
    for place, kind in enumerate(changes):
        turned = left[place * NUM_OF_EACH :] + left[: place * NUM_OF_EACH]
        answers = ((one, changed(kind, one, values, rng, part)) for one, values in turned)
        made = (row(one, answer, 1, kind) for one, answer in answers if answer is not None)
        yield from islice(made, NUM_OF_EACH)


CHANGES = (
    "number", "number of the article", "name", "name of the article", "place", "date", "past or plan",
    "negation", "added sentence", "unit", "organisation of the article", "promise",
)  # fmt: skip
"""What is changed in a true summary."""
HELD_OUT_CHANGES = ("unit", "organisation of the article", "promise")


def changed(kind: str, one: Row, values: dict[str, str], rng: random.Random, part: str) -> str | None:
    """Return the summary of a generated article with one thing changed; None where the article has no such.

    Args:
        kind: one of CHANGES.
        one: the article's row.
        values: what was drawn for it.
        rng: source of chance.
        part: whose added sentences to use.
    """
    summary, article, is_planned = one["summary"], one["document"], values["when"] == "오는"
    if kind == "added sentence":
        return f"{summary} {rng.choice(_ADDED[part])}"
    swaps = {
        "negation": (("했다. ", "하지 않았다. "), ("한다. ", "하지 않는다. ")),
        "unit": (("억 ", "조 "), ("만 ", "억 "), ("톤 ", "㎏ "), ("명 ", "가구 "), ("곳 ", "명 ")),
        "promise": (("늘리겠다", "줄이겠다"), ("줄이겠다", "늘리겠다"), ("하겠다", "하지 않겠다")),
    }
    if kind in swaps:
        return next((summary.replace(old, new, 1) for old, new in swaps[kind] if old in summary), None)
    if kind == "past or plan":
        other = articles.SUMMARY_PAST if is_planned else articles.SUMMARY_PLANNED
        return fill(other, values)
    name, new = {
        "number": ("n1", f"{rng.randint(10_001, 19_999):,}"),
        "number of the article": ("n1", values["n2"]),
        "name": ("person", rng.choice(("남궁현빈", "독고은설", "제갈태오"))),
        "name of the article": ("person", values["person2"]),
        "place": ("place", rng.choice(("하와이", "평양시", "도쿄"))),
        "date": ("day", "31일"),
        "organisation of the article": ("org", values["org2"]),
    }[kind]
    if kind.endswith("of the article") and new not in article:
        return None
    return fill(articles.SUMMARY_PLANNED if is_planned else articles.SUMMARY_PAST, {**values, name: new})


def _all_sentences(article: str) -> list[str]:
    """Return an article's sentences; one within quotation marks may be cut, which does no harm here."""
    return [f"{part}." for part in article.rstrip(".").split(". ")]


def _sentences(article: str, start: int, end: int) -> str:
    return " ".join(_all_sentences(article)[start:end])


def main() -> None:
    """Write what rules make behind what was written by hand, in both files."""
    for part in PARTS:
        path = path_of(part)
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        kept = [line for line in lines if json.loads(line)["made"] == "hand"]
        new = [json.dumps(row, ensure_ascii=False) for row in made_rows(part)]
        path.write_text("\n".join([*kept, *new]) + "\n", encoding="utf-8", newline="\n")
        print(f"{part}: {len(kept)} by hand, {len(new)} by rules")


if __name__ == "__main__":
    main()
