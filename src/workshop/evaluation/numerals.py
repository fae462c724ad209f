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
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from workshop.evaluation import numeral_patterns as patterns

_CLUSTER = re.compile(r".[\u0300-\u036f\u1160-\u11ff]*", re.DOTALL)
_CENTURY_SPLIT = 50  # '50 and later are of the last century: '97년, '88년


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


class _Numeral(NamedTuple):
    """What was read of a numeral: behind 3천 stands less than 1,000, or a scale word for all of it."""

    closed: Decimal = Decimal(0)
    open: Decimal = Decimal(0)
    next_below: Decimal = Decimal("Infinity")
    section_below: Decimal = Decimal("Infinity")

    @property
    def value(self) -> Decimal:
        return self.closed + self.open

    def extended(self, coefficient: Decimal, scales: str) -> "_Numeral | None":
        """Return this numeral with one piece more, or None when the piece cannot belong to it."""
        value = coefficient * _worth(scales.rstrip("만억조"))
        is_fraction = coefficient != coefficient.to_integral_value()
        if value >= self.next_below or (is_fraction and self != _Numeral()):
            return None
        big = _worth(scales.lstrip("십백천"))
        section = (self.open + value) * big
        if section >= self.section_below:
            return None
        below = _worth(scales[:1]) if big == 1 else big
        if is_fraction or not scales:
            below = Decimal(0)  # nothing follows 2.3조 or 5000
        if big == 1:
            return _Numeral(self.closed, section, below, self.section_below)
        return _Numeral(self.closed + section, Decimal(0), below, below)


class _Reading(NamedTuple):
    """A stretch of text that was read as a number."""

    start: int
    end: int
    value: Decimal
    kind: str
    numeral: _Numeral = _Numeral(next_below=Decimal(0))
    pieces: tuple[tuple[Decimal, str], ...] = ()


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
    before: _Reading | None = None
    for reading in _readings(text):
        if reading.kind == "aside" and not asides:
            continue
        number = _with_surroundings(text, reading)
        if before and not found[-1].unit and patterns.RANGE.fullmatch(text[found[-1].end : number.start]):
            unit = number.unit if number.unit != "code" else ""
            found[-1] = found[-1]._replace(value=found[-1].value * _shared_scale(before, reading), unit=unit)
        found.append(number)
        before = reading
    return found


def _shared_scale(first: _Reading, last: _Reading) -> Decimal:
    """Return what 10 is multiplied by in 10~20만; 500~1만 begins at 500."""
    if len(first.pieces) == len(last.pieces) == 1 and not first.pieces[0][1]:
        coefficient, scales = last.pieces[0]
        if coefficient > first.value:
            return _worth(scales)
    return Decimal(1)


def _with_surroundings(text: str, reading: _Reading) -> Number:
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


def _readings(text: str) -> Iterator[_Reading]:
    """Yield what the pattern finds, with the parts of a numeral joined: 3만 5000 is one number."""
    last: _Reading | None = None
    for match in patterns.NUMERAL.finditer(text):
        for reading in _read(text, match):
            if last and (longer := _joined(text, last, reading)):
                last = longer
            elif not (reading.kind == "sino" and _is_hangul(text[reading.start - 1 : reading.start])):
                if last:
                    yield last
                last = reading
            # else the end of a word like 3만오천, which would have joined its beginning
    if last:
        yield last


def _joined(text: str, first: _Reading, second: _Reading) -> _Reading | None:
    """Return two readings as one where they are one numeral, else None."""
    gap = text[first.end : second.start]
    if gap not in ("", " ") or not first.pieces or not second.pieces:
        return None
    coefficient, scales = second.pieces[0]
    if gap and first.numeral.open and coefficient < 10 and scales and scales[0] in "만억조":
        return None  # 3천 200억 is one, 3천 2억 two
    numeral = _extended(first.numeral, second.pieces)
    if numeral is None:
        return None
    return _Reading(first.start, second.end, numeral.value, "digits", numeral, first.pieces + second.pieces)


def _read(text: str, match: re.Match[str]) -> Iterator[_Reading]:
    """Read one match of the pattern: no, one or several numbers."""
    start, end, kind = *match.span(), match.lastgroup or ""
    if kind in ("digits", "bare", "ordinal"):
        yield from _numeral(start, end, match[0], kind)
    elif kind == "sino":
        yield from _sino(text, match)
    elif kind == "native":
        counted = patterns.ONE_COUNTED if match[0] == "한" else patterns.COUNTED
        kind = kind if counted.match(text, end) else "aside"
        yield _Reading(start, end, Decimal(_native_value(match[0])), kind)
    elif kind == "code":
        yield _Reading(start, end, Decimal("".join(re.findall(r"\d", match[0]))), kind)
    elif kind == "year":
        yield _Reading(start, end, _year(match[0]), kind)
    elif kind == "written_year":
        digits = (str(patterns.SINO_DIGITS[digit]) for digit in match[0])
        yield _Reading(start, end, Decimal("".join(digits)), kind)
    elif kind in ("date", "event"):
        kind = "aside" if kind == "event" else kind
        for part in re.finditer(r"'?\d+", match[0]):
            value = _year(part[0]) if part[0].startswith("'") else Decimal(part[0])
            yield _Reading(start + part.start(), start + part.end(), value, kind)


def _numeral(start: int, end: int, word: str, kind: str) -> Iterator[_Reading]:
    """Read one word of digits and scale words; nothing when it is none: 백천."""
    pieces = tuple(
        (_coefficient(digits), scales)
        for digits, scales in patterns.PIECE.findall(word.replace("여", ""))
        if digits or scales
    )
    if (numeral := _extended(_Numeral(), pieces)) is not None:
        yield _Reading(start, end, numeral.value, kind, numeral, pieces)


def _sino(text: str, match: re.Match[str]) -> Iterator[_Reading]:
    """Read Sino-Korean words in Hangul that have a scale word; one alone only where it is no other word."""
    for word in re.finditer(r"\S+", match[0]):
        start, end = match.start() + word.start(), match.start() + word.end()
        is_last = end == match.end()
        if not set(word[0]) & patterns.SCALES.keys():
            continue
        is_alone = word.start() == 0 and not _follows_digits(text, start)
        if is_alone and len(word[0]) == 1 and not patterns.LONE_SCALE_COUNTED.match(text, end):
            continue  # 만원 관중
        if is_last and word[0][-1] in "억조" and not patterns.MONEY.match(text, end):
            continue  # 구조 대원, 사조 명
        yield from _numeral(start, end, word[0], "sino")


def _follows_digits(text: str, start: int) -> bool:
    """Tell whether 천 of 5만 천 원 stands behind digits."""
    return re.search(r"\d[십백천만억조] ?$", text[max(0, start - 3) : start]) is not None


def _is_hangul(syllable: str) -> bool:
    return "가" <= syllable <= "힣"


def _extended(numeral: _Numeral, pieces: tuple[tuple[Decimal, str], ...]) -> _Numeral | None:
    for coefficient, scales in pieces:
        longer = numeral.extended(coefficient, scales)
        if longer is None:
            return None
        numeral = longer
    return numeral


def _coefficient(digits: str) -> Decimal:
    """Return what stands before a scale word: 3, 삼, 1,200, 2.3, or nothing for one of it."""
    if not digits:
        return Decimal(1)
    return Decimal(patterns.SINO_DIGITS.get(digits, digits.replace(",", "")))


def _worth(scales: str) -> Decimal:
    """Multiply scale words: 천만 is 10,000,000."""
    worth = Decimal(1)
    for scale in scales:
        worth *= patterns.SCALES[scale]
    return worth


def _native_value(word: str) -> int:
    if word in patterns.NATIVE_WHOLE:
        return patterns.NATIVE_WHOLE[word]
    for tens, value in patterns.NATIVE_TENS.items():
        if word.startswith(tens):
            return value + patterns.NATIVE_ONES.get(word[len(tens) :], 0)
    return patterns.NATIVE_ONES[word]


def _year(written: str) -> Decimal:
    """Return the year of '24; of more digits, as they are."""
    year = Decimal(written.lstrip("'"))
    if len(written) != len("'24"):
        return year
    return year + (1900 if year >= _CENTURY_SPLIT else 2000)
