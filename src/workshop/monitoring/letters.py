"""The letters of a text alone, as what hides them is read: "무 시 해", "ㅁㅜㅅㅣ", "시1발", "1gnore".

Character n-grams of this form do not see where a word was cut or what was put into it. It is for scores; what
is shown to people is the text.
"""

from __future__ import annotations

import re
import unicodedata

from workshop.monitoring.folding import fold

_JAMO_RUN = re.compile("[ㄱ-ㅣ][ㄱ-ㅣ .·_-]*[ㄱ-ㅣ]")
_IN_A_WORD = re.compile(r"(?<=[가-힣])[\d!@*^~_.|/\\]{1,2}(?=[가-힣])")
_LATIN_WORD = re.compile(r"[a-z0-9@$!|]*[a-z][a-z0-9@$!|]*")
_LEET = str.maketrans("013457@$!|", "oieastasii")
_NOT_LETTERS = re.compile(r"[\W_]+")
_INITIALS = {jamo: chr(0x1100 + place) for place, jamo in enumerate("ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ")}
_VOWELS = {chr(0x314F + place): chr(0x1161 + place) for place in range(21)}
_FINALS = {
    jamo: chr(0x11A8 + place)
    for place, jamo in enumerate("ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ")
}


def letters(text: str) -> str:
    """Return the letters and digits of a text in lower case, without anything between them."""
    plain = _JAMO_RUN.sub(lambda match: _composed(match[0]), text)
    plain = fold(plain).text.lower()
    plain = _IN_A_WORD.sub("", plain)
    plain = _LATIN_WORD.sub(lambda match: match[0].translate(_LEET), plain)
    return _NOT_LETTERS.sub("", plain)


def _composed(run: str) -> str:
    """Put single letters together as they are read: ㅁㅜㅅㅣ -> 무시; what is no word (ㅋㅋㅠㅠ) stays."""
    jamo = [letter for letter in run if letter in _INITIALS or letter in _VOWELS or letter in _FINALS]
    parts, place = [], 0
    while place < len(jamo):
        is_syllable = place + 1 < len(jamo) and jamo[place] in _INITIALS and jamo[place + 1] in _VOWELS
        if jamo[place] in _VOWELS:
            return run
        if not is_syllable:
            parts.append(jamo[place])
            place += 1
            continue
        syllable, place = _INITIALS[jamo[place]] + _VOWELS[jamo[place + 1]], place + 2
        begins_next = place + 1 < len(jamo) and jamo[place + 1] in _VOWELS
        if place < len(jamo) and jamo[place] in _FINALS and not begins_next:
            syllable, place = syllable + _FINALS[jamo[place]], place + 1
        parts.append(unicodedata.normalize("NFC", syllable))
    return "".join(parts)
