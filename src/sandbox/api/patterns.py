"""Patterns of AWS's service models, which are Java's, as Python's.

The `regex` package knows most of them and costs 10 MB of memory. What it would be needed for is little:
Unicode categories, and characters beyond 16 bits written as pairs.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

# Java writes the characters from U+10000 on as the pairs that UTF-16 has for them.
_BEYOND_16_BITS = r"\uD800\uDC00-\uDBFF\uDFFF"
# `$` any number of times is `$`; Python refuses to repeat it.
_REPEATED_END = re.compile(r"\$\{1,\d+\}$")
_CATEGORY = re.compile(r"\\p\{(\w+)\}")
_CLASS = re.compile(r"\[(?:\\.|[^\]\\])+\]")
# Java's classes that are not Unicode's.
_ASCII_CLASSES = {"Alnum": "0-9A-Za-z", "ASCII": r"\x00-\x7f", "Print": " -~"}
_LAST_CODE_POINT = 0x10FFFF


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    r"""Return a pattern of a service model, to be used with `fullmatch`.

    Raises:
        re.error: It uses something that is not translated here; a test compiles all of them.
    """
    pattern = pattern.replace(_BEYOND_16_BITS, "\U00010000-\U0010ffff")
    pattern = _REPEATED_END.sub("$", pattern).replace(r"\z", r"\Z")
    pattern = _CLASS.sub(lambda found: _translated(found[0]), pattern)
    return re.compile(_CATEGORY.sub(lambda found: f"[{_ranges(found[1])}]", pattern))


def _translated(character_class: str) -> str:
    r"""Return a class in brackets without \p{...}."""
    names = set(_CATEGORY.findall(character_class))
    if {"L", "N"} <= names and "_" in character_class:
        # Exactly Python's \w, of which a test makes sure, and a thousandth of the ranges.
        character_class = character_class.replace(r"\p{L}", r"\w").replace(r"\p{N}", "")
    return _CATEGORY.sub(lambda found: _ranges(found[1]), character_class)


@cache
def _ranges(name: str) -> str:
    """Return the characters of a Unicode category as the inside of a class; it takes 0.2 s, but for Z."""
    if name in _ASCII_CLASSES:
        return _ASCII_CLASSES[name]
    last = 0x3000 if name == "Z" else _LAST_CODE_POINT
    found: list[list[int]] = []
    for code_point in range(last + 1):
        if unicodedata.category(chr(code_point)).startswith(name):
            if found and found[-1][1] == code_point - 1:
                found[-1][1] = code_point
            else:
                found.append([code_point, code_point])
    return "".join(f"\\U{first:08x}-\\U{final:08x}" for first, final in found)
