"""Each stretch of a text that is a number, and its value; numerals.py adds sign and unit."""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from workshop.evaluation import numeral_patterns as patterns

_CENTURY_SPLIT = 50  # '50 and later are of the last century: '97년, '88년


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
        value = coefficient * worth(scales.rstrip("만억조"))
        is_fraction = coefficient != coefficient.to_integral_value()
        if value >= self.next_below:
            return None
        big = worth(scales.lstrip("십백천"))
        section = (self.open + value) * big
        if section >= self.section_below:
            return None
        below = worth(scales[:1]) if big == 1 else big
        if is_fraction or not scales:
            below = Decimal(0)  # nothing follows 2.3조 or 5000
        if big == 1:
            return _Numeral(self.closed, section, below, self.section_below)
        return _Numeral(self.closed + section, Decimal(0), below, below)


class Reading(NamedTuple):
    """A stretch of text that was read as a number."""

    start: int
    end: int
    value: Decimal
    kind: str
    numeral: _Numeral = _Numeral(next_below=Decimal(0))
    pieces: tuple[tuple[Decimal, str], ...] = ()


def readings(text: str) -> Iterator[Reading]:
    """Yield what the pattern finds, with the parts of a numeral joined: 3만 5000 is one number."""
    last: Reading | None = None
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


def _joined(text: str, first: Reading, second: Reading) -> Reading | None:
    """Return two readings as one where they are one numeral, else None."""
    gap = text[first.end : second.start]
    if gap not in ("", " ") or not first.pieces or not second.pieces:
        return None
    coefficient, scales = second.pieces[0]
    if gap and first.numeral.open and coefficient < 10 and scales and scales[0] in "만억조":
        return None  # 3천 200억 is one, 3천 2억 two
    if gap and coefficient < 1_000 and coefficient != coefficient.to_integral_value():
        return None  # 3만 9098.68 is one, 3만 2.5 two
    numeral = _extended(first.numeral, second.pieces)
    if numeral is None:
        return None
    return Reading(first.start, second.end, numeral.value, "digits", numeral, first.pieces + second.pieces)


def _read(text: str, match: re.Match[str]) -> Iterator[Reading]:
    """Read one match of the pattern: no, one or several numbers."""
    start, end, kind = *match.span(), match.lastgroup or ""
    if kind in ("digits", "bare", "ordinal"):
        yield from _numeral(start, end, match[0], kind)
    elif kind == "sino":
        yield from _sino(text, match)
    elif kind == "native":
        counted = patterns.ONE_COUNTED if match[0] == "한" else patterns.COUNTED
        kind = kind if counted.match(text, end) else "aside"
        yield Reading(start, end, Decimal(_native_value(match[0])), kind)
    elif kind == "code":
        yield Reading(start, end, Decimal("".join(re.findall(r"\d", match[0]))), kind)
    elif kind == "year":
        yield Reading(start, end, _year(match[0]), kind)
    elif kind == "written_year":
        digits = (str(patterns.SINO_DIGITS[digit]) for digit in match[0])
        yield Reading(start, end, Decimal("".join(digits)), kind)
    elif kind in ("date", "event"):
        kind = "aside" if kind == "event" else kind
        for part in re.finditer(r"'?\d+", match[0]):
            value = _year(part[0]) if part[0].startswith("'") else Decimal(part[0])
            yield Reading(start + part.start(), start + part.end(), value, kind)


def _numeral(start: int, end: int, word: str, kind: str) -> Iterator[Reading]:
    """Read one word of digits and scale words; what cannot belong to a number of digits is left out."""
    pieces = tuple(
        (_coefficient(digits), scales)
        for digits, scales in patterns.PIECE.findall(word.replace("여", ""))
        if digits or scales
    )
    numeral = _extended(_Numeral(), pieces)
    while numeral is None and kind != "sino":  # 3백천: a number that is not read could be any other one
        pieces = pieces[:-1]
        numeral = _extended(_Numeral(), pieces)
    if numeral is not None:
        yield Reading(start, end, numeral.value, kind, numeral, pieces)


def _sino(text: str, match: re.Match[str]) -> Iterator[Reading]:
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
        if is_alone and patterns.SCALE_AND_DIGIT.fullmatch(word[0]):
            continue  # 백사장, 천사 대, 조사 건, 백일장
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


def worth(scales: str) -> Decimal:
    """Multiply scale words: 천만 is 10,000,000."""
    product = Decimal(1)
    for scale in scales:
        product *= patterns.SCALES[scale]
    return product


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
