"""Texts of flags and variables, read as what a setting is; what cannot be is refused with its origin."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from processes.errors import UserError


@dataclass(frozen=True)
class Value:
    """A text, and the flag, variable or property that it was given by."""

    origin: str
    text: str


def choice(value: Value, known: tuple[str, ...]) -> str:
    """Return one of the known words; the first where none is given."""
    if value.text and value.text not in known:
        raise wrong(value, f"one of {', '.join(known)}")
    return value.text or known[0]


def switch(value: Value) -> bool:
    """Return whether something is switched on; off where nothing is given."""
    text = value.text.strip().lower()
    if text not in ("", "true", "1", "false", "0"):
        raise wrong(value, "true or false")
    return text in ("true", "1")


def number(value: Value, *, lowest: int = 1) -> int | None:
    if not value.text:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", value.text.strip()) or int(value.text) < lowest:
        raise wrong(value, f"a whole number, {lowest} or more")
    return int(value.text)


def adapters_of(value: Value) -> dict[str, str]:
    """Read NAME=FOLDER pairs, with commas or spaces between them, or vLLM's JSON objects."""
    if value.text.strip()[:1] in ("{", "["):
        pairs = _json_adapters(value)
    else:
        items = [item.partition("=") for item in re.split(r"[,\s]+", value.text) if item]
        pairs = [(name, folder) for name, _, folder in items]
    if not all(name and folder for name, folder in pairs) or len(dict(pairs)) < len(pairs):
        raise wrong(value, "NAME=FOLDER,NAME=FOLDER with each name once")
    return dict(pairs)


def _json_adapters(value: Value) -> list[tuple[str, str]]:
    """Read an array of objects, or objects with spaces between them."""
    decoder, text, found = json.JSONDecoder(), value.text.strip(), []
    try:
        while text:
            item, end = decoder.raw_decode(text)
            found += item if isinstance(item, list) else [item]
            text = text[end:].lstrip()
        return [(each["name"], each["path"]) for each in found]
    except (ValueError, KeyError, TypeError):
        raise wrong(value, 'JSON objects like {"name": "news", "path": "FOLDER"}') from None


def wrong(value: Value, expected: str) -> UserError:
    return UserError(
        found=f"{value.origin} = {value.text!r}", expected=expected, next_step=f"correct {value.origin}"
    )
