"""Draw personal data of valid form that is nobody's, and put it into sentences: `fill(pattern, rng)`.

Check digits are computed. Where a form allows it, what is drawn cannot be anybody's: 010-0000 to 010-1999 are
given to nobody (Source: the ministry's figures on 010 numbers, as papers reported them in September 2017), no
place of registration has the digits 97 to 99 (lists of the numbers given until October 2020 end at 96), mail
goes to the domains kept for examples, cards begin as test cards do, towns, streets and banks are invented.
Passports, licences, plates and accounts are drawn by chance.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable

_SLOT = re.compile(r"\{(\w+)(?::(\w+))?\}")
_RRN_WEIGHTS = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)
_BUSINESS_WEIGHTS = (1, 3, 7, 1, 3, 7, 1, 3, 5)
_SPOKEN = dict(zip("0123456789", "공일이삼사오육칠팔구", strict=True))
_FULL_WIDTH = {ord(digit): ord(digit) - ord("0") + ord("０") for digit in "0123456789"}
_PLATE_SYLLABLES = "가나다라마거너더러머고노도로모구누두루무"
_NAMES = ("minsu.k", "haneul_lee", "news-reader7", "bom.jeong", "j.park88", "solbi+news")
_DOMAINS = ("example.com", "example.org", "mail.example.net")
_PLACES = ("강원 새울시 담벼로", "경남 달내군 솔밭길", "서울 은가람구 물푸레로", "전북 새들군 참나무로")

NFD_MARK = "~NFD "
"""At the head of a pattern: the text is stored in parts of syllables, as files of macOS are."""


def rrn_check_digit(digits: str, *, is_foreign: bool = False) -> str:
    """Return the thirteenth digit of a resident's number, as numbers given until October 2020 have it.

    Args:
        digits: the first twelve.
        is_foreign: of a foreigner, whose seventh digit is 5 to 8.
    """
    total = sum(weight * int(digit) for weight, digit in zip(_RRN_WEIGHTS, digits, strict=True))
    return str((11 - total % 11 + 2 * is_foreign) % 10)


def luhn_check_digit(digits: str) -> str:
    """Return the last digit of a card's number from those before it."""
    doubled = [int(digit) * (2 - index % 2) for index, digit in enumerate(reversed(digits))]
    return str(-sum(value - 9 * (value > 9) for value in doubled) % 10)


def business_check_digit(digits: str) -> str:
    """Return the tenth digit of a business registration number from the nine before it."""
    total = sum(weight * int(digit) for weight, digit in zip(_BUSINESS_WEIGHTS, digits, strict=True))
    return str(-(total + int(digits[8]) * 5 // 10) % 10)


def fill(pattern: str, rng: random.Random) -> tuple[str, list[list]]:
    """Return a sentence with drawn personal data in its places, and the spans of them.

    Args:
        pattern: with places such as {phone} or {phone:dots}; DRAWN has the kinds and their forms.
        rng: source of chance.

    Returns:
        The text, and [start, end, kind] for each place, in code points of the text.
    """
    is_nfd = pattern.startswith(NFD_MARK)
    pattern = pattern.removeprefix(NFD_MARK)
    text, spans, done = "", [], 0

    def stored(part: str) -> str:
        return unicodedata.normalize("NFD", part) if is_nfd else part

    for match in _SLOT.finditer(pattern):
        kind, form = match[1], match[2] or "dashes"
        text += stored(pattern[done : match.start()])
        value = stored(DRAWN[kind](rng, form))
        spans.append([len(text), len(text) + len(value), kind])
        text, done = text + value, match.end()
    return text + stored(pattern[done:]), spans


def _digits(rng: random.Random, count: int) -> str:
    return "".join(str(rng.randrange(10)) for _ in range(count))


def _written(blocks: tuple[str, ...], form: str) -> str:
    """Return blocks of digits as one types them."""
    if form == "spoken":
        return " ".join("".join(_SPOKEN[digit] for digit in block) for block in blocks)
    joined = {"dots": ".", "spaces": " ", "plain": "", "zero_width": "\u200b-"}.get(form, "-").join(blocks)
    return joined.translate(_FULL_WIDTH) if form == "full_width" else joined


def _rrn(rng: random.Random, form: str) -> str:
    is_foreign = form == "foreign"
    born = f"{rng.randint(60, 99)}{rng.randint(1, 12):02d}{rng.randint(1, 28):02d}"
    back = f"{rng.choice('56' if is_foreign else '12')}{rng.randint(97, 99)}{_digits(rng, 3)}"
    if form == "since_2020":  # since October 2020 the last digits are drawn, and none checks the others
        born = f"{rng.choice((21, 22, 23, 24))}{born[2:]}"
        right = rrn_check_digit(f"{born}{(back := rng.choice('34') + _digits(rng, 5))}")
        return f"{born}-{back}{(int(right) + rng.randint(1, 9)) % 10}"
    return _written((born, back + rrn_check_digit(born + back, is_foreign=is_foreign)), form)


def _phone(rng: random.Random, form: str) -> str:
    middle, last = rng.choice("01") + _digits(rng, 3), _digits(rng, 4)
    if form == "land":
        return _written((rng.choice(("02", "031", "051", "062")), middle[:3], last), "dashes")
    if form == "brackets":
        return f"({rng.choice(('02', '042', '064'))}) {middle}-{last}"
    if form == "abroad":
        return f"+82 10-{middle}-{last}"
    if form == "old":
        return f"{rng.choice(('011', '016', '019'))}-{middle[:3]}-{last}"
    return _written(("010", middle, last), form)


def _email(rng: random.Random, form: str) -> str:
    written = f"{rng.choice(_NAMES)}@{rng.choice(_DOMAINS)}"
    return written.replace("@", " @ ") if form == "spaces" else written


def _card(rng: random.Random, form: str) -> str:
    digits = f"{rng.choice(('400000', '510510', '356600'))}{_digits(rng, 9)}"
    digits += luhn_check_digit(digits)
    return _written(tuple(digits[start : start + 4] for start in range(0, 16, 4)), form)


def _account(rng: random.Random, form: str) -> str:
    blocks = rng.choice(((3, 3, 6), (6, 2, 6), (3, 6, 2, 3), (4, 2, 7)))
    written = tuple("0" + _digits(rng, size - 1) for size in blocks)
    return _written(written, form)


def _passport(rng: random.Random, form: str) -> str:
    if form == "new":
        return f"{rng.choice('MSR')}{_digits(rng, 3)}{rng.choice('ABCDEF')}{_digits(rng, 4)}"
    return f"{rng.choice('MSR')}{_digits(rng, 8)}"


def _licence(rng: random.Random, form: str) -> str:
    return _written(
        (str(rng.randint(11, 26)), f"{rng.randint(70, 99)}", _digits(rng, 6), _digits(rng, 2)), form
    )


def _plate(rng: random.Random, form: str) -> str:
    front = f"{rng.randint(100, 999)}" if form == "new" else f"{rng.randint(10, 69)}"
    syllable = rng.choice(_PLATE_SYLLABLES)
    return f"{front}{syllable}{' ' if form == 'spaces' else ''}{rng.randint(1000, 9999)}"


def _business(rng: random.Random, form: str) -> str:
    digits = f"9{_digits(rng, 2)}00{_digits(rng, 4)}"
    digits += business_check_digit(digits)
    return _written((digits[:3], digits[3:5], digits[5:]), form)


def _address(rng: random.Random, form: str) -> str:
    road = f"{rng.choice(_PLACES)} {rng.randint(2, 199)}"
    if form == "flat":
        return f"{road}, {rng.randint(101, 115)}동 {rng.randint(1, 20)}{rng.randint(1, 9):02d}호"
    if form == "lane":
        return f"{road}번길 {rng.randint(2, 60)}-{rng.randint(1, 9)}"
    return road


DRAWN: dict[str, Callable[[random.Random, str], str]] = {
    "rrn": _rrn,
    "phone": _phone,
    "email": _email,
    "card": _card,
    "account": _account,
    "passport": _passport,
    "licence": _licence,
    "plate": _plate,
    "business": _business,
    "address": _address,
}
"""Kind -> how one of a form is drawn."""
