"""Attach the Korean particle that fits the sound a word ends in (을/를, 이/가, 은/는, 으로/로, ...)."""

from __future__ import annotations

import re

HANGUL_FIRST, HANGUL_LAST = 0xAC00, 0xD7A3
NUM_FINALS = 28  # final consonants per (initial, vowel) pair, "none" included
FINAL_RIEUL = 8

# particle -> (after a final consonant, after a vowel)
PARTICLES = {
    "을": ("을", "를"),
    "이": ("이", "가"),
    "은": ("은", "는"),
    "과": ("과", "와"),
    "으로": ("으로", "로"),
    "이다": ("이다", "다"),
    "이던": ("이던", "던"),
    "이었": ("이었", "였"),
}

# How signs are read aloud: the particle follows the sound, not the sign.
READINGS = {
    **dict(zip("0123456789", ["영", "일", "이", "삼", "사", "오", "육", "칠", "팔", "구"], strict=True)),
    "%": "퍼센트",
    "㎞": "킬로미터",
    "㎡": "제곱미터",
    "㏊": "헥타르",
    "㎿": "메가와트",
    "℃": "도",
}
_SLOT = re.compile(r"\{(\w+)(?::(\w+))?\}")


def final_consonant(word: str) -> int:
    """Return the index of the final consonant a word is read with: 0 for none, 8 for ㄹ, up to 27.

    Closing quotes and brackets are skipped. A word that ends in another script counts as ending in a vowel.
    """
    for sign in reversed(word):
        if sign in "’”'\")」』":
            continue
        syllable = ord(READINGS.get(sign, sign)[-1])
        if HANGUL_FIRST <= syllable <= HANGUL_LAST:
            return (syllable - HANGUL_FIRST) % NUM_FINALS
        return 0
    return 0


def particle(word: str, name: str) -> str:
    """Return the form of a particle that follows `word`.

    Args:
        word: what the particle is attached to.
        name: the particle's form after a consonant, one of PARTICLES.

    Raises:
        KeyError: for a particle that is not in PARTICLES.
    """
    after_consonant, after_vowel = PARTICLES[name]
    final = final_consonant(word)
    if name == "으로" and final == FINAL_RIEUL:
        return after_vowel  # 서울로, not 서울으로
    return after_consonant if final else after_vowel


def fill(template: str, values: dict[str, str]) -> str:
    """Fill `{name}` and `{name:particle}` slots: fill("{who:은} 갔다", {"who": "한빛"}) is "한빛은 갔다"."""

    def slot(match: re.Match[str]) -> str:
        value = values[match[1]]
        return value + particle(value, match[2]) if match[2] else value

    return _SLOT.sub(slot, template)
