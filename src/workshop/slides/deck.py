"""One page of slides: a single HTML file with speaker notes that works without a network.

reveal.js (MIT) and the font with Hangul (OFL) come from packages and are put into the file: nothing is loaded
from anywhere. Of the font only the characters that the deck has are kept.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

from workshop.errors import WorkshopError
from workshop.pictures.embed import PICTURE
from workshop.slides.cut import Slide
from workshop.slides.notes import notes_html
from workshop.view.fonts import data_url, font_faces

REVEAL_DIR = ".envs/slides/sphinx_revealjs/_static/revealjs"
FONT = "Deck"
_KEYS = "space: 다음 · next &nbsp; s: 발표자 노트 · speaker notes &nbsp; f: 전체 화면 · full screen"
_STAR = "★: 30분 길 · the 30-minute path"


def check_reveal(reveal_dir: Path) -> None:
    """Refuse to begin without reveal.js.

    Raises:
        WorkshopError: It is not installed.
    """
    if not (reveal_dir / "dist/reveal.js").is_file():
        raise WorkshopError(
            found=f"no reveal.js in {reveal_dir}",
            expected="the package of setup/slides.txt",
            next_step="make slides",
        )


def deck_html(slides: Sequence[Slide], reveal_dir: Path) -> str:
    """Return the deck as one page.

    Args:
        slides: With their notes.
        reveal_dir: reveal.js as it is published: dist/ and plugin/.
    """
    from pygments.formatters import HtmlFormatter

    _, *others = _stacks(slides)
    sections = _title(slides[0]) + "".join(map(_stack, others))
    own = Path(__file__)
    own_css, start = (own.with_suffix(kind).read_text(encoding="utf-8") for kind in (".css", ".js"))
    styles = [
        (reveal_dir / name).read_text(encoding="utf-8") for name in ("dist/reset.css", "dist/reveal.css")
    ]
    scripts = [(reveal_dir / name).read_bytes() for name in ("dist/reveal.js", "plugin/notes/notes.js")]
    css = "".join([*styles, own_css, HtmlFormatter(style="default").get_style_defs(".code")])
    fonts = font_faces(sections, FONT)
    # As data, since the notes' script has tags of its own, among which a page would find its end.
    code = "".join(f'<script src="{data_url(one, "text/javascript")}"></script>' for one in scripts)
    title = html.escape(slides[0].title)
    return (
        f'<!doctype html><html lang="ko"><head><meta charset="utf-8"><title>{title}</title>'
        f'<style id="fonts">{fonts}</style><style>{css}</style></head><body>'
        f'<div class="reveal"><div class="slides">{sections}</div></div>'
        f"{code}<script>{start}</script></body></html>"
    )


def _stacks(slides: Sequence[Slide]) -> list[list[Slide]]:
    stacks: list[list[Slide]] = []
    for slide in slides:
        if slide.is_below:
            stacks[-1].append(slide)
        else:
            stacks.append([slide])
    return stacks


def _stack(stack: Sequence[Slide]) -> str:
    inside = "".join(map(_section, stack))
    return f'<section class="stack">{inside}</section>' if len(stack) > 1 else inside


def _title(slide: Slide) -> str:
    hint = f"{_KEYS} &nbsp; {_STAR}" if slide.note else _KEYS
    body = "" if slide.note else "".join(slide.body)
    return _html(slide, "title", "h1", f'{body}<p class="keys">{hint}</p>')


def _section(slide: Slide) -> str:
    has_picture = any(one.startswith(("<img", PICTURE)) for one in slide.body)
    kind = ("mixed" if len(slide.body) > 1 else "picture") if has_picture else "words"
    return _html(slide, kind, "h2", "".join(slide.body))


def _html(slide: Slide, kind: str, tag: str, body: str) -> str:
    star = ' <span class="star">★</span>' if slide.note and slide.note.short else ""
    return (
        f'<section class="{kind}"><{tag}>{html.escape(slide.title)}{star}</{tag}>'
        f'<div class="body">{body}</div><aside class="notes">{notes_html(slide)}</aside></section>'
    )
