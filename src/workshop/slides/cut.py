"""Cut an executed notebook into slides: what is looked at stays, what is read goes to the speaker.

A heading begins a slide, a picture of img/ and each further cell have one of their own below it, and what a
slide has no room for goes onto the next. Code, outputs, lists and tables are shown; paragraphs, Korean and
English, become notes. Of exercises all is shown but what is folded.

A notebook with a talk (talk.py) is cut by its author instead: code is not shown, and `slide_type` in a cell's
metadata, as JupyterLab writes it, says where a slide of its own begins (`subslide`). Everywhere `skip` leaves
a cell out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from workshop.notebooks.outputs import readable
from workshop.notebooks.report import cell_seconds
from workshop.pictures.embed import inlined
from workshop.slides.pieces import Piece, code, output, text
from workshop.slides.talk import Note

ROOM = 640
"""Pixels of a slide below its heading, and a little more: the page makes smaller what is too tall by that."""
_LINE = 60
"""Pixels of a piece that is no reason for another slide."""
_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")
_NUMBER = re.compile(r"^\d+\. ")
_NAME = re.compile(r"(.+?)(?:/(\d+))?")
_FOLD = re.compile(r"<details><summary>(.*?)</summary>(.*)</details>", re.DOTALL)
_WHOLE = re.compile(r"(^```.*?^```$|<details>.*?</details>)", re.DOTALL | re.MULTILINE)
_EXERCISES = "## 직접 해보기"
_EXERCISE = re.compile(r"\*\*(\d+\. .+)\*\*$")
_QUESTION = "**질문 1**"
# Where the settings are loaded, and where the reader is: of no use to who looks at slides.
_START, _HERE = "from workshop.start import start", "**여기 · You are here**"


@dataclass(kw_only=True)
class Slide:
    """One slide.

    Args:
        name: Its heading's Korean words; /2 for the second of a heading.
        title: What stands above it.
        section: Number of its section in the notebook; "" for none.
        is_below: Whether it stands below the one before it.
        body: HTML of what is shown, in order.
        read: Markdown of what the notebook's reader reads there.
        height: Pixels that the body takes, as estimated.
        seconds: How long its cell ran.
        note: The speaker's, of a talk.
        said: HTML of what else the speaker is told.
    """

    name: str
    title: str
    section: str = ""
    is_below: bool = False
    body: list[str] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    height: float = 0
    seconds: float = 0
    note: Note | None = None
    said: str = ""


def cut(notebook: Any, *, has_talk: bool = False, hide: Callable[[str], str] = str) -> list[Slide]:
    """Return the slides of an executed notebook (nbformat), the title's first.

    Args:
        has_talk: Whether its author says where slides begin.
        hide: Takes out of a text what only says where it was made.
    """
    slides: list[Slide] = []
    for cell in readable(notebook, hide).cells:
        kind = cell.metadata.get("slideshow", {}).get("slide_type", "-")
        if kind == "skip":
            continue
        if kind == "subslide" or (
            not has_talk and cell.cell_type == "markdown" and slides and slides[-1].body
        ):
            slides.append(_below(slides[-1], read=[]))
        if cell.cell_type == "markdown":
            _place_text(cell.source, slides, has_talk=has_talk)
        elif cell.source.startswith(_START):
            slides[-1].read.clear()
        else:
            _place_code(cell, slides, has_talk=has_talk)
    return _finished(slides)


def _place_code(cell: Any, slides: list[Slide], *, has_talk: bool) -> None:
    room = math.inf if has_talk else ROOM
    for piece in () if has_talk else code(cell.source):
        _show(piece, slides, room)
    slides[-1].seconds = max(slides[-1].seconds, cell_seconds(cell))
    for one in cell.outputs:
        for piece in output(one):
            _show(piece, slides, room)


def _place_text(markdown: str, slides: list[Slide], *, has_talk: bool) -> None:
    is_exercise = False
    room = math.inf if has_talk else ROOM
    for block in _blocks(markdown):
        if block.startswith("#"):
            is_exercise = block.startswith(_EXERCISES)
            title = block.lstrip("# ")
            words = _NUMBER.sub("", title)
            section = title.partition(".")[0] if words != title else ""
            slides.append(Slide(
                name=words.partition(" · ")[0], title=words if has_talk else title, section=section
            ))  # fmt: skip
        elif is_exercise and (match := _EXERCISE.match(block)):
            slides.append(_below(slides[-1], read=[], title=match[1]))
        elif fold := _FOLD.match(block):
            slides[-1].read.append(f"**{fold[1]}**\n\n{fold[2].strip()}")
        elif block.startswith("```"):
            language, _, source = block.strip("`").partition("\n")
            for piece in code(source, language):
                _show(piece, slides, room)
        elif block.startswith("!["):
            _show(Piece(html=inlined(_html(block)), height=ROOM, is_picture=True), slides, room)
        elif len(slides) > 1 and (is_exercise or re.match(r"[-|]|\d+\. ", block)):
            if block.startswith(_QUESTION):
                slides.append(_below(slides[-1], read=[], title="질문 · Questions"))
            _show(text(_html(_LINK.sub(r"\1", block))), slides, room)
        elif not block.startswith(_HERE):
            slides[-1].read.append(_LINK.sub(r"\1", block))


def _show(piece: Piece, slides: list[Slide], room: float) -> None:
    """Put something onto the last slide, or below it: a picture of img/ has a slide to itself."""
    last = slides[-1]
    is_full = last.height + piece.height > room and piece.height > _LINE
    if last.body and (piece.is_picture or last.height >= ROOM or is_full):
        last = _below(last, read=last.read)
        slides.append(last)
    last.body.append(piece.html)
    last.height += ROOM if piece.is_picture else 0 if room == math.inf else piece.height


def _below(above: Slide, *, read: list[str], title: str = "") -> Slide:
    name, number = _NAME.fullmatch(above.name).groups()
    return Slide(
        name=f"{name}/{int(number or 1) + 1}",
        title=title or above.title,
        section=above.section,
        is_below=True,
        read=read,
    )


def _blocks(markdown: str) -> Iterator[str]:
    """Yield what is parted by empty lines, code and folds whole; comments of figures are left away."""
    for part in _WHOLE.split(re.sub(r"<!--.*?-->", "", markdown)):
        if part.startswith(("```", "<details>")):
            yield part
        else:
            yield from (block.strip() for block in re.split(r"\n\s*\n", part) if block.strip())


def _html(markdown: str) -> str:
    from nbconvert.filters import markdown2html_mistune

    html = str(markdown2html_mistune(markdown)).strip()
    return html.removeprefix("<p>").removesuffix("</p>") if markdown.startswith("![") else html


def _finished(slides: list[Slide]) -> list[Slide]:
    """Let paragraphs be shown where nothing else is, and leave out what has neither."""
    kept: list[Slide] = []
    for slide in slides:
        if not slide.body:
            slide.body = [_html(block) for block in slide.read[:2]]
        if slide.body or not kept:
            slide.is_below = slide.is_below and kept[-1].section == slide.section and len(kept) > 1
            kept.append(slide)
    return kept
