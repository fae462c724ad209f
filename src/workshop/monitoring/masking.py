"""Personal data that has a form, replaced before anything is stored: `mask("010-1234-5678")` -> "[전화번호]".

Used before InvokeEndpoint, so that captured data, traces and logs hold what the model was asked and no
number of anybody. Names of people stay: they have no form, and news are made of them.

A number with a check digit (card, resident registration, business) counts only when that digit is right; one
without (account, passport, licence, plate) needs its form and a word beside it, or a form that nothing else
has. Numbers of firms (1588-0000) and what counts things (3억 5000만 원, order numbers, dates) stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from workshop.monitoring.check_digits import birth_date, is_business_number, is_luhn, is_rrn
from workshop.monitoring.folding import fold

PLACEHOLDERS = {
    "rrn": "[주민등록번호]",
    "card": "[카드번호]",
    "phone": "[전화번호]",
    "email": "[이메일]",
    "licence": "[운전면허번호]",
    "business": "[사업자등록번호]",
    "account": "[계좌번호]",
    "passport": "[여권번호]",
    "plate": "[차량번호]",
    "address": "[주소]",
}
"""What stands in the place of each kind. In this order: where two overlap, the first wins."""


class Masked(NamedTuple):
    """A text without personal data, and the kinds that were found, in the order of the text."""

    text: str
    kinds: tuple[str, ...]


class Found(NamedTuple):
    """Personal data in a text, at its place in the text as it was typed."""

    start: int
    end: int
    kind: str


def mask(text: str) -> Masked:
    """Replace personal data that has a form by a placeholder for its kind."""
    parts, end, kinds = [], 0, []
    for one in find(text):
        parts += [text[end : one.start], PLACEHOLDERS[one.kind]]
        end = one.end
        kinds.append(one.kind)
    return Masked("".join([*parts, text[end:]]), tuple(kinds))


def find(text: str) -> list[Found]:
    """Return the personal data of a text that has a form, in order, none within another."""
    folded = fold(text)
    if not _MAY_HOLD.search(folded.text):
        return []
    order = {kind: place for place, kind in enumerate(PLACEHOLDERS)}
    taken: list[Found] = []
    for start, end, kind in sorted(_candidates(folded.text), key=lambda one: (order[one[2]], one[0])):
        begin, stop = folded.span(start, end)
        if all(stop <= other.start or other.end <= begin for other in taken):
            taken.append(Found(begin, stop, kind))
    return sorted(taken)


# Without two digits in any writing, or an @, there is nothing to find.
_MAY_HOLD = re.compile(
    r"\d\D{0,6}\d|[로길동리가] ?\d|[공영일이삼사오육칠팔구]\W{0,2}[공영일이삼사오육칠팔구]"
    r"|@|골뱅이|[(\[]at[)\]]"
)
_SEPARATOR = r"[ \t]*[-./·~_)][ \t]*|[ \t]{1,2}"
_S = rf"(?:{_SEPARATOR})?"  # between groups of digits, or nothing
_FREE = r"(?<![\d])"
_END = r"(?![\d])"

_PHONE = re.compile(
    rf"""(?<![\d-])(?<!\d[.,])
    (?: (?:\(?(?:\+|00)[ ]?82\)?{_S}(?:\(0\))?0?|\(?0) 1[016789]\)? {_S} \d{{3,4}} {_S} \d{{4}}
      | (?:\(?(?:\+|00)[ ]?82\)?{_S}(?:2|[3-6]\d|70)|\(?0(?:2|[3-6]\d|70|50\d)\)?) {_S} \d{{3,4}} {_S} \d{{4}}
    ){_END}(?!-\d)""",
    re.VERBOSE,
)
# Numbers that are spelled out: 공일공에 일이삼사에 오육칠팔. Ten digits and more, by their syllables.
_SAID = str.maketrans("공영일이삼사오육륙칠팔구", "001234566789")
_SPOKEN = re.compile(
    r"(?<![가-힣\d])[공영일이삼사오육륙칠팔구0-9]"
    r"(?:[ ]?(?:에|의|-|다시|[.,])?[ ]?[공영일이삼사오육륙칠팔구0-9]){9,18}"
)
_SPOKEN_MOBILE = re.compile(r"01[016789]\d{7,8}")
_RRN = re.compile(rf"{_FREE}(\d{{6}})([ \t]*[-–.~][ \t]*|[ \t]?)([1-8]\d{{6}}){_END}")
_CARD = re.compile(
    rf"(?<![\d-])\d{{4}}{_S}\d{{4}}{_S}\d{{4}}{_S}\d{{4}}{_END}|(?<![\d-])3[47]\d{{2}}{_S}\d{{6}}{_S}\d{{5}}{_END}"
)
_BUSINESS = re.compile(rf"(?<![\d-])\d{{3}}[ ]?-[ ]?\d{{2}}[ ]?-[ ]?\d{{5}}{_END}(?!-)")
_BUSINESS_BARE = re.compile(rf"(?:사업자|계산서)[^\d\n]{{0,12}}(\d{{10}}){_END}")
_EMAIL = re.compile(
    r"(?<![A-Za-z0-9가-힣._%+-])[A-Za-z0-9가-힣][A-Za-z0-9가-힣._%+-]{0,63}"
    r"(?:[ ]?@[ ]?|[ ]?(?:\(at\)|\[at\]|\(골뱅이\)|골뱅이)[ ]?)"
    r"[A-Za-z0-9][A-Za-z0-9-]*(?:[ ]?(?:\.|\(dot\)|\[dot\]|점|닷)[ ]?[A-Za-z][A-Za-z0-9-]*){1,3}"
)
_LICENCE = re.compile(rf"(?<![\d-])(?:1[1-9]|2[0-8])[- ]\d{{2}}[- ]\d{{6}}[- ]\d{{2}}{_END}")
_LICENCE_BARE = re.compile(rf"면허[^\d\n]{{0,12}}((?:1[1-9]|2[0-8]){_S}\d{{2}}{_S}\d{{6}}{_S}\d{{2}}){_END}")
_PASSPORT = re.compile(r"(?<![A-Za-z0-9])[MSRODG](?:\d{8}|\d{3}[A-Z]\d{4})(?![A-Za-z0-9])")
_PASSPORT_NAMED = re.compile(
    r"(?:여권|passport)[^\n]{0,16}?(?<![A-Za-z0-9])([A-Za-z]{1,2}[ -]?(?:\d{7,8}|\d{3}[A-Za-z]\d{4}))"
    r"(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_PLATE_LETTERS = "가나다라마거너더러머버서어저고노도로모보소오조구누두루무부수우주아바사자배하허호"
_PLATE = re.compile(rf"(?<![\d.,])\d{{2,3}}[{_PLATE_LETTERS}]\d{{4}}(?![\d억만천원명년개%대건]|[.,]\d)")
_PROVINCES = (
    "서울|부산|대구|인천|광주|대전|울산|세종|경기|강원|충북|충남|전북|전남|경북|경남|제주"
    "|충청[남북]도|전라[남북]도|경상[남북]도"
)
_PLATE_NAMED = re.compile(
    rf"(?:차량|차 ?번호|번호판|자동차|주차|승용차|트럭|차는|차가|(?<![가-힣])차)[^\n\d]{{0,14}}?"
    rf"((?:(?:{_PROVINCES}) ?)?\d{{2,3}} ?[{_PLATE_LETTERS}] ?\d{{4}})(?![\d억만천]|[.,]\d)"
)
_BANK = (
    "국민|신한|우리|하나|농협|기업|제일|씨티|카카오|토스|케이|새마을|신협|우체국|수협|부산|대구|광주|전북|경남|제주|산업"
    "|KB|NH|IBK|SC|k뱅크|은행|뱅크|금고|계좌|통장|입금|송금|이체|환불"
)
_ACCOUNT = re.compile(
    rf"(?:{_BANK})[^\d\n]{{0,16}}(\d{{2,6}}(?:[- ]\d{{2,7}}){{1,3}}|\d{{10,14}})(?![\d-])"
    rf"(?! ?[억만천원명년월%개건])",
    re.IGNORECASE,
)
_ACCOUNT_BEFORE = re.compile(
    r"(?<![\d-])(\d{3,6}(?:-\d{2,7}){2,3})(?![\d-])[^\d\n]{0,8}(?:계좌|은행|뱅크|통장|입금|송금|이체|농협|수협|신협|금고|우체국)"
)
_ADDRESS = re.compile(
    rf"(?:(?:{_PROVINCES})(?:특별시|광역시|특별자치시|특별자치도|도|시)?\s)?(?<![가-힣])(?:[가-힣]{{1,5}}[시군]\s)?"
    r"(?<![가-힣])[가-힣]{1,5}[시군구읍면]\s(?:[가-힣]{1,5}[읍면]\s)?"
    r"(?:[가-힣0-9]{1,10}(?<!으)(?:대로|로|길)\s?\d{1,4}(?:-\d{1,3})?(?:번?길\s?\d{1,4}(?:-\d{1,3})?)?"
    r"|[가-힣]{1,6}\d?[동리가]\s\d{1,4}-\d{1,4}(?:번지)?|[가-힣]{1,6}\d?[동리가]\s\d{1,4}번지)"
    r"(?![\d%억만천명원년월일시분개건호대]|[.,]\d)"
    r"(?:[,\s]{1,2}(?:[가-힣A-Za-z0-9]{2,12}\s)?(?:\d{1,4}동\s?)?(?:\d{1,4}호|\d{1,2}층))?"
)
_NOT_DIGITS = re.compile(r"\D")
_MIN_ACCOUNT_DIGITS, _NUM_CARD_DIGITS = 10, 16


def _candidates(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield everything that has the form of a kind, overlaps included."""
    for match in _RRN.finditer(text):
        if _is_rrn(match):
            yield *match.span(), "rrn"
    for match in _CARD.finditer(text):
        digits = _NOT_DIGITS.sub("", match[0])
        if digits[0] in "23456789" and is_luhn(digits):
            yield *match.span(), "card"
    for pattern, kind in (
        (_PHONE, "phone"),
        (_EMAIL, "email"),
        (_LICENCE, "licence"),
        (_PASSPORT, "passport"),
        (_PLATE, "plate"),
        (_ADDRESS, "address"),
    ):
        for match in pattern.finditer(text):
            yield *match.span(), kind
    yield from _spoken(text)
    for match in _BUSINESS.finditer(text):
        if is_business_number(_NOT_DIGITS.sub("", match[0])):
            yield *match.span(), "business"
    for match in _BUSINESS_BARE.finditer(text):
        if is_business_number(match[1]):
            yield *match.span(1), "business"
    for pattern, kind in (
        (_LICENCE_BARE, "licence"),
        (_PASSPORT_NAMED, "passport"),
        (_PLATE_NAMED, "plate"),
        (_ACCOUNT, "account"),
        (_ACCOUNT_BEFORE, "account"),
    ):
        for match in pattern.finditer(text):
            num_digits = len(_NOT_DIGITS.sub("", match[1]))
            if kind != "account" or num_digits >= _MIN_ACCOUNT_DIGITS:
                yield *match.span(1), kind


def _is_rrn(match: re.Match[str]) -> bool:
    """With a dash the form of a birthday and a sex is enough: nothing else is written so."""
    digits = match[1] + match[3]
    return is_rrn(digits) or ("-" in match[2] and birth_date(digits) is not None)


def _spoken(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield numbers that are spelled out. What follows may sound like a digit: ...칠사공일 이에요."""
    for match in _SPOKEN.finditer(text):
        said, end = match[0], len(match[0])
        while end > 0:
            kind = _spoken_kind(_NOT_DIGITS.sub("", said[:end].translate(_SAID)))
            if kind:
                if not said[:end].isascii():
                    yield match.start(), match.start() + end, kind
                break
            end = said.rfind(" ", 0, end)


def _spoken_kind(digits: str) -> str | None:
    if _SPOKEN_MOBILE.fullmatch(digits):
        return "phone"
    if is_rrn(digits):
        return "rrn"
    return "card" if len(digits) == _NUM_CARD_DIGITS and is_luhn(digits) else None
