"""Java's properties files, as serving.properties is one.

Source: java.util.Properties.load.
"""

from __future__ import annotations

import re
from pathlib import Path

_END_OF_NAME = re.compile(r"(?<!\\)(?:\\\\)*(\s*[=:]\s*|\s+)")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_LETTERS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


def read_properties(path: Path) -> dict[str, str]:
    """Return the properties of a file; the last value of a name counts.

    UTF-8, where Java reads Latin-1 and Korean is written as escapes, which are read too.
    """
    found = {}
    for line in _logical_lines(path.read_text(encoding="utf-8-sig", errors="replace")):
        end = _END_OF_NAME.search(line)
        name, value = (line[: end.start(1)], line[end.end(1) :]) if end else (line, "")
        found[_unescaped(name)] = _unescaped(value).strip()
    return found


def _logical_lines(text: str) -> list[str]:
    lines: list[str] = []
    is_continued = False
    for raw in re.split(r"\r\n|\r|\n", text):
        line = raw.lstrip(" \t\f")
        if not is_continued and (not line or line[0] in "#!"):
            continue
        ends_open = (len(line) - len(line.rstrip("\\"))) % 2 == 1
        part = line[:-1] if ends_open else line
        if is_continued:
            lines[-1] += part
        else:
            lines.append(part)
        is_continued = ends_open
    return lines


def _unescaped(text: str) -> str:
    def letter(match: re.Match[str]) -> str:
        escaped = match[1]
        if len(escaped) == 5:
            return chr(int(escaped[1:], 16))
        return _LETTERS.get(escaped, escaped)

    return _ESCAPE.sub(letter, text)
