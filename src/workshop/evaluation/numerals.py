"""The numbers of a Korean text as its newspapers write them, and what they are worth.

Read: digits with commas, decimals and scale words in any mixture (1천500만, 3만 5000, 20여만), hanja and
full-width ones likewise; a half behind (2시간 반); ranges that share a scale or a percent sign (10~20만,
3~4%); dates in any spelling ('24년, 2024.3.5); signs (-3%, △3.2, 영하 3도); telephones and accounts, as one
code each. Numbers spelled in Hangul are read where nothing else is meant: with a scale word and a counter
(삼천만 원), or native ones with a counter (두 명, 열두 살), or as days (사흘).

Asides, which another text may repeat as a number but need not: 한 번, 한 가지, 두 사람, and the days that
events are named by (3·1절, 6·3 대선).

Not read, because only the sense tells: single Sino-Korean digits (이 명, 사 년), words that may be a number's
(만원 관중, 만년 꼴찌), 수십만 and 두세 명, fractions and clock times as one value.
"""

import re
import unicodedata
from decimal import Decimal
from typing import NamedTuple

from workshop.evaluation import numeral_patterns as patterns
from workshop.evaluation.numeral_readings import Reading, readings, worth

_CLUSTER = re.compile(r".[\u0300-\u036f\u1160-\u11ff]*", re.DOTALL)


class Number(NamedTuple):
    """A number in a text: where it stands, and what it is worth.

    unit is "%", "%p" (points of percent), "code" (a telephone), or "" for all that are not told apart. sign
    is -1 or 1 where one is written, else 0: a fall of 3% is -3% to some writers.
    """

    start: int
    end: int
    value: Decimal
    unit: str = ""
    sign: int = 0


def numbers(text: str, *, asides: bool = False) -> list[Number]:
    """Find the numbers of a Korean text, in order.

    3만5천 = 3만 5000 = 35,000, and 3만 is not 3억. What is read and what is not stands at the head of this
    module.

    Args:
        text: In any normal form; places are those of the text as it is.
        asides: Return also what is as often a way to speak as a number: 한 번, 두 사람, 3·1절.
    """
    if unicodedata.is_normalized("NFC", text):
        return _described(patterns.plain(text), asides)
    # File names of a Mac and what was copied from them: Hangul in its letters. Places are those of the text.
    clusters = _CLUSTER.findall(text)
    composed = [unicodedata.normalize("NFC", cluster) for cluster in clusters]
    places = [0]
    for cluster, syllable in zip(clusters, composed, strict=True):
        places += [places[-1]] * (len(syllable) - 1) + [places[-1] + len(cluster)]
    found = _described(patterns.plain("".join(composed)), asides)
    return [number._replace(start=places[number.start], end=places[number.end]) for number in found]


def _described(text: str, asides: bool) -> list[Number]:
    """Add signs, units and halves to the numerals of a plain text, and what the ends of a range share."""
    found: list[Number] = []
    before: Reading | None = None
    for reading in readings(text):
        if reading.kind == "aside" and not asides:
            continue
        number = _with_surroundings(text, reading)
        if before and patterns.RANGE.fullmatch(text[found[-1].end : number.start]):
            unit = number.unit if number.unit != "code" else ""
            found[-1] = found[-1]._replace(value=found[-1].value * _shared_scale(before, reading), unit=unit)
        found.append(number)
        before = reading
    return found


def _shared_scale(first: Reading, last: Reading) -> Decimal:
    """Return what 10 is multiplied by in 10~20만, and 1천 in 1천~2천만; 500~1만 begins at 500."""
    if not first.pieces or not last.pieces:
        return Decimal(1)
    _, scales = last.pieces[-1]
    is_bare = len(first.pieces) == len(last.pieces) == 1 and not first.pieces[0][1]
    scale = worth(scales if is_bare else scales.lstrip("십백천"))
    return scale if last.value > first.value * scale else Decimal(1)


def _with_surroundings(text: str, reading: Reading) -> Number:
    start, end, value = reading.start, reading.end, reading.value
    if reading.kind == "code":
        return Number(start, end, value, "code")
    if half := patterns.HALF.match(text, end):
        return Number(start, half.end(), value + Decimal("0.5"))
    unit = ""
    if percent := patterns.PERCENT.match(text, end):
        unit = "%p" if percent["points"] else "%"
    sign = 0
    if reading.kind == "digits" and (mark := patterns.SIGN.search(text, max(0, start - 5), start)):
        written = mark[0].strip()
        is_item = written in "△▽▼" and patterns.LIST_ITEM.match(text, end)
        sign = 0 if is_item else patterns.SIGNS[written]
        start = start - 1 if sign and len(written) == 1 else start
    return Number(start, end, -value if sign < 0 else value, unit, sign)
