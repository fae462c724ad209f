"""What a speaker says to each slide: notebook/03-llmops/talk.yaml, apart from what a reader reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from workshop.errors import WorkshopError

TALK_NAME = "03-llmops/talk.yaml"
TALK_OF = "00-LLMOps-Story"
"""The notebook that the talk belongs to; the others' decks have notes of their own text."""
_FIELDS = {"minutes", "short", "say", "ask", "en"}


@dataclass(frozen=True, kw_only=True)
class Note:
    """Notes to one slide.

    Args:
        minutes: In the whole talk.
        short: Minutes in the short path; 0 where the slide is left out of it.
        say: What to say, in Korean, a sentence or two each.
        ask: A question to the room; "" for none.
        en: The same in English, short.
    """

    minutes: float
    short: float
    say: tuple[str, ...]
    ask: str
    en: str


def load_talk(notebook_dir: Path) -> dict[str, Note]:
    """Return the notes by slide: its heading's Korean words, with /2 for the second of a heading.

    Raises:
        WorkshopError: A field that is missing or unknown.
    """
    raw = yaml.safe_load((notebook_dir / TALK_NAME).read_text(encoding="utf-8"))
    return {slide: _note(slide, fields) for slide, fields in raw.items()}


def _note(slide: str, fields: dict[str, Any]) -> Note:
    wrong = (set(fields) ^ _FIELDS) - {"ask", "short"}
    if wrong:
        raise WorkshopError(
            found=f"{TALK_NAME}, {slide}: {', '.join(sorted(wrong))} unknown or missing",
            expected="minutes, say, en, and where they are wanted short and ask",
            next_step="correct the notes of that slide",
        )
    return Note(
        minutes=fields["minutes"],
        short=fields.get("short", 0),
        say=tuple(fields["say"]),
        ask=fields.get("ask", ""),
        en=fields["en"],
    )
