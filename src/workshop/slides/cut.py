"""Cut the executed story into slides: what is looked at stays, what is read goes to the speaker.

A heading begins a slide. Lists, tables, outputs and pictures are shown on it, a picture of img/ on a slide to
itself; paragraphs, Korean and English, become notes, after those of talk.yaml. `slide_type` in a cell's
metadata, as JupyterLab writes it, decides the rest: `skip` leaves a cell out, `subslide` puts it on a slide
of its own below.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from workshop.errors import WorkshopError
from workshop.pictures.embed import PICTURE, inlined
from workshop.slides.talk import TALK_NAME, Note

_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")
_NUMBER = re.compile(r"^\d+\. ")
_WIDE_CHARACTERS = 400
"""A table with more than this in its cells has sentences in it, and is set in smaller letters."""
_TAG = re.compile(r"<[^>]+>|\s+")
_STYLE = re.compile(r"<style\b.*?</style>", re.DOTALL)


@dataclass(kw_only=True)
class Slide:
    """One slide.

    Args:
        name: Its heading's Korean words; /2 for the second of a heading.
        title: The heading, without its number.
        is_below: Whether it stands below the one before it.
        body: HTML of what is shown, in order.
        read: Markdown of what the notebook's reader reads there.
        note: The speaker's.
    """

    name: str
    title: str
    is_below: bool = False
    body: list[str] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    note: Note | None = None


def cut(notebook: Any, talk: Mapping[str, Note]) -> list[Slide]:
    """Return the slides of an executed notebook, each with its notes.

    Raises:
        WorkshopError: A slide without notes, or notes to a slide that is not there.
    """
    slides: list[Slide] = []
    for cell in notebook["cells"]:
        kind = cell["metadata"].get("slideshow", {}).get("slide_type", "-")
        if kind == "skip":
            continue
        if kind == "subslide":
            slides.append(_next_below(slides))
        if cell["cell_type"] == "code":
            for one in cell["outputs"]:
                _show(_output_html(one), slides)
            continue
        for block in _blocks("".join(cell["source"])):
            _place(block, slides)
    slides[0].body.clear()  # the title stands alone: the table below it is for who runs the notebook
    _add_notes(slides, talk)
    return slides


def _show(shown: str, slides: list[Slide]) -> None:
    """Put something onto the last slide, or below it: a picture of img/ has a slide to itself."""
    if any(one.startswith(PICTURE) for one in (shown, *slides[-1].body)) and slides[-1].body:
        slides.append(_next_below(slides))
    slides[-1].body.append(shown)


def _next_below(slides: list[Slide]) -> Slide:
    above = slides[-1]
    name, _, number = above.name.partition("/")
    return Slide(name=f"{name}/{int(number or 1) + 1}", title=above.title, is_below=True)


def _place(block: str, slides: list[Slide]) -> None:
    from nbconvert.filters import markdown2html_mistune

    if block.startswith("#"):
        title = _NUMBER.sub("", block.lstrip("# "))
        slides.append(Slide(name=title.partition(" · ")[0], title=title))
    elif re.match(r"[-|]|\d+\. ", block):
        _show(markdown2html_mistune(_LINK.sub(r"\1", block)), slides)
    elif block.startswith("!["):
        _show(inlined(markdown2html_mistune(block)).strip().removeprefix("<p>").removesuffix("</p>"), slides)
    else:
        slides[-1].read.append(_LINK.sub(r"\1", block))


def _blocks(markdown: str) -> Iterator[str]:
    """Yield the blocks of a cell as they are parted by empty lines; comments of figures are left away."""
    without_comments = re.sub(r"<!--.*?-->", "", markdown)
    yield from (block.strip() for block in re.split(r"\n\s*\n", without_comments) if block.strip())


def _output_html(output: Mapping[str, Any]) -> str:
    data = output.get("data", {})
    if "image/png" in data:
        return f'<img alt="" src="data:image/png;base64,{"".join(data["image/png"]).strip()}">'
    if "text/html" in data:
        table = _STYLE.sub("", "".join(data["text/html"]))
        kind = "frame wide" if len(_TAG.sub("", table)) > _WIDE_CHARACTERS else "frame"
        return f'<div class="{kind}">{table}</div>'
    text = "".join(output.get("text") or data.get("text/plain") or "")
    return f"<pre>{html.escape(text.strip())}</pre>"


def _add_notes(slides: list[Slide], talk: Mapping[str, Note]) -> None:
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
    """Return a slide's notes: minutes, what to say, a question, English, and what the notebook says there."""
    from nbconvert.filters import markdown2html_mistune

    note = slide.note
    star = f" · ★ 30분 길에서는 {note.short:g}분" if note.short else " · 30분 길에서는 건너뜁니다"
    said = "".join(f"<li>{html.escape(one)}</li>" for one in note.say)
    asked = f"<p><b>질문</b> {html.escape(note.ask)}</p>" if note.ask else ""
    read = "".join(markdown2html_mistune(one) for one in slide.read)
    return (
        f"<p><b>{note.minutes:g}분{star}</b></p><ul>{said}</ul>{asked}<p><i>{html.escape(note.en)}</i></p>"
        f"<hr>{read}"
    )
