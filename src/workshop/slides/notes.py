"""What the speaker has beside a slide: a talk's notes, or how long its cell takes and what to say meanwhile.

What to say while a cell runs stands in setup/presenting, in Korean and in English.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from workshop.errors import WorkshopError
from workshop.slides.cut import Slide
from workshop.slides.talk import TALK_NAME, Note

SLOW_S = 2.0
"""A cell that took longer is one that the speaker waits for."""
PAGES = ("presenting.ko.md", "presenting.md")
_ROW = re.compile(
    r"^\| \[([\w-]+)\]\([^)]*\) \| (\d+)\. [^|]* \| [^|]* \| ([^|]*) \| ([^|]*) \|$", re.MULTILINE
)


@dataclass(frozen=True, kw_only=True)
class Wait:
    """What setup/presenting says of a section that makes one wait; each in Korean and in English."""

    on_aws: tuple[str, ...]
    say: tuple[str, ...]


def load_waits(setup_dir: Path) -> dict[tuple[str, str], Wait]:
    """Return what is said of waits, by notebook and number of the section.

    Raises:
        WorkshopError: The pages in Korean and in English name other sections.
    """
    pages = [
        {(row[1], row[2]): (row[3], row[4]) for row in _ROW.finditer((setup_dir / name).read_text("utf-8"))}
        for name in PAGES
    ]
    if not pages[0] or set(pages[0]) != set(pages[1]):
        raise WorkshopError(
            found=f"cells that block: {sorted(set(pages[0]) ^ set(pages[1]))} on one of {', '.join(PAGES)}",
            expected="a row for each on both pages",
            next_step="write the row that is missing into the table there",
        )
    found = {}
    for key in pages[0]:
        on_aws, say = zip(*(page[key] for page in pages), strict=True)
        found[key] = Wait(on_aws=on_aws, say=say)
    return found


def add_waits(slides: Sequence[Slide], waits: Mapping[str, Wait]) -> None:
    """Tell the speaker of each slow cell how long it ran, and what to say where its section has words for it.

    Args:
        waits: By number of the section. They stand by the cell that took longest there.
    """
    for slide in slides:
        if slide.seconds > SLOW_S:
            seconds = f"{slide.seconds:.0f}"
            slide.said = f"<p><b>이 셀은 {seconds}초 걸렸습니다 · this cell took {seconds} s</b></p>"
    for section, wait in waits.items():
        longest = max(
            (one for one in slides if one.section == section), key=lambda one: one.seconds, default=None
        )
        if longest is not None:
            aws, say = (" · ".join(map(html.escape, both)) for both in (wait.on_aws, wait.say[:1]))
            english = html.escape(wait.say[1])
            longest.said += f"<p>AWS: {aws}</p><ul><li>{say}</li></ul><p><i>{english}</i></p>"


def add_talk(slides: Sequence[Slide], talk: Mapping[str, Note]) -> None:
    """Give each slide its notes of a talk.

    Raises:
        WorkshopError: A slide without notes, or notes to a slide that is not there.
    """
    names = [slide.name for slide in slides]
    without, unknown = [one for one in names if one not in talk], [one for one in talk if one not in names]
    if without or unknown:
        raise WorkshopError(
            found=f"slides without notes: {without}; notes without a slide: {unknown}",
            expected=f"notes to every slide in {TALK_NAME}, by its heading's Korean words",
            next_step="write or rename them there",
        )
    for slide in slides:
        slide.note = talk[slide.name]


def notes_html(slide: Slide) -> str:
    """Return a slide's notes: what a talk or a wait has to say, and below it what the notebook says there."""
    from nbconvert.filters import markdown2html_mistune

    said = _talk_html(slide.note) if slide.note else slide.said
    read = "".join(markdown2html_mistune(one) for one in slide.read)
    return f"{said}<hr>{read}" if said and read else said + read


def _talk_html(note: Note) -> str:
    star = f" · ★ 30분 길에서는 {note.short:g}분" if note.short else " · 30분 길에서는 건너뜁니다"
    said = "".join(f"<li>{html.escape(one)}</li>" for one in note.say)
    asked = f"<p><b>질문</b> {html.escape(note.ask)}</p>" if note.ask else ""
    return f"<p><b>{note.minutes:g}분{star}</b></p><ul>{said}</ul>{asked}<p><i>{html.escape(note.en)}</i></p>"
