r"""Patterns of AWS's service models, which are Java's, as the `regex` package reads them.

Python's own `re` has no Unicode categories (\p{L}). What the package takes differently is translated here.
"""

from __future__ import annotations

from functools import cache

import regex

# Java writes the characters from U+10000 on as the pairs that UTF-16 has for them.
_BEYOND_16_BITS = r"\uD800\uDC00-\uDBFF\uDFFF"
# Java's other classes (\w, \d, \p{Alnum}, \p{Print}) hold ASCII alone; no pattern has both kinds.
_UNICODE_CATEGORY = regex.compile(r"\\p\{\w\}")


@cache
def compiled(pattern: str) -> regex.Pattern[str]:
    """Return a pattern of a service model, to be used with `fullmatch`.

    Raises:
        regex.error: It uses something that is not translated here; a test compiles all of them.
    """
    translated = pattern.replace(_BEYOND_16_BITS, "\U00010000-\U0010ffff")
    return regex.compile(translated, regex.UNICODE if _UNICODE_CATEGORY.search(pattern) else regex.ASCII)
