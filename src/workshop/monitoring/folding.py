"""A text as it sounds to a reader, with the place of every character in the text as it was typed.

Full-width digits, Hangul in its letters (NFD), characters of no width and look-alike dashes hide a telephone
number from a pattern and not from a person. What is found in the folded text is cut out of the original.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_CLUSTER = re.compile(r".[\u0300-\u036f\u1160-\u11ff]*", re.DOTALL)
# Soft hyphen, characters and marks of no width, variation selectors.
_NO_WIDTH = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u2064\ufe00-\ufe0f\ufeff\u3164"
)
_HAS_NO_WIDTH = re.compile(f"[{_NO_WIDTH}]")
_ALIKE = str.maketrans({**dict.fromkeys("‐‑‒–—―−﹣－ー", "-"), "。": "."})
_HAS_ALIKE = re.compile("[‐‑‒–—―−﹣－ー。]")


@dataclass(frozen=True, kw_only=True)
class Folded:
    """A text in NFKC without characters of no width.

    Attributes:
        text: The folded text.
        places: Where each of its characters begins in the original; one more for the end. None when both
            are the same.
    """

    text: str
    places: list[int] | None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return where a span of the folded text stands in the original."""
        return (start, end) if self.places is None else (self.places[start], self.places[end])


def fold(text: str) -> Folded:
    """Fold a text; one that is plain already costs three looks at it."""
    is_plain = unicodedata.is_normalized("NFKC", text) and not _HAS_NO_WIDTH.search(text)
    if is_plain:
        return Folded(text=text.translate(_ALIKE) if _HAS_ALIKE.search(text) else text, places=None)
    folded, places = [], []
    visible = [(match.start(), match[0]) for match in re.finditer(f"[^{_NO_WIDTH}]", text)]
    for begin, cluster in _clusters(visible):
        characters = unicodedata.normalize("NFKC", cluster).translate(_ALIKE)
        folded.append(characters)
        places += [begin] * len(characters)
    return Folded(text="".join(folded), places=[*places, len(text)])


def _clusters(visible: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Return the place and the characters of each syllable; what has no width may stand within one."""
    joined = "".join(character for _, character in visible)
    return [(visible[match.start()][0], match[0]) for match in _CLUSTER.finditer(joined)]
