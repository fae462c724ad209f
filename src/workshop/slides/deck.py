"""Make the story a talk: one HTML file of slides with speaker notes that works without a network.

    make slides        runs the notebook, writes the deck; open it, press s for the notes, f for full screen

reveal.js (MIT) and the font with Hangul (OFL) come from packages and are put into the file: nothing is loaded
from anywhere. Of the font only the characters that the deck has are kept.
"""

from __future__ import annotations

import html
import sys
from collections.abc import Sequence
from pathlib import Path

from processes.files import atomic_write
from workshop.errors import WorkshopError
from workshop.notebooks.run import interrupt_on_signals, run_notebook
from workshop.pictures.embed import PICTURE
from workshop.settings import load_settings
from workshop.slides.cut import Slide, cut, notes_html
from workshop.slides.talk import load_talk
from workshop.view.fonts import data_url, font_faces

NOTEBOOK = "notebook/03-llmops/00-LLMOps-Story.ipynb"
REVEAL_DIR = ".envs/slides/sphinx_revealjs/_static/revealjs"
WIDTH, HEIGHT = 1280, 720
FONT = "Deck"
_KEYS = "space: 다음 · next &nbsp; s: 발표자 노트 · speaker notes &nbsp; ★: 30분 길 · the 30-minute path"
# The speaker's view is a window of its own, which knows no font of the page's.
_START = f"""const openWindow = window.open.bind(window);
window.open = (...given) => {{
  const view = openWindow(...given);
  if (view) setTimeout(() => {{
    const fonts = view.document.createElement("style");
    const faces = document.getElementById("fonts").textContent;
    fonts.textContent = `${{faces}} body {{font-family: Deck, sans-serif}}`;
    view.document.head.append(fonts);
  }}, 300);
  return view;
}};
Reveal.initialize({{width: {WIDTH}, height: {HEIGHT}, margin: 0, center: false, hash: true, controls: false,
  slideNumber: "c/t", transition: "none", plugins: [RevealNotes]}});"""


def main() -> int:
    interrupt_on_signals()
    try:
        settings = load_settings()
        reveal_dir = settings.repo_dir / REVEAL_DIR
        check_reveal(reveal_dir)
        run = run_notebook(settings.repo_dir / NOTEBOOK, settings.cell_timeout_s)
        if run.failure:
            print(run.failure, file=sys.stderr)
            return 1
        slides = cut(run.notebook, load_talk(settings.repo_dir / "notebook"))
        path = settings.home / "slides" / "LLMOps-Story.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, deck_html(slides, reveal_dir).encode())
    except WorkshopError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; no kernel is left running", file=sys.stderr)
        return 130
    minutes, short = (sum(getattr(one.note, name) for one in slides) for name in ("minutes", "short"))
    print(f"{len(slides)} slides, {minutes:g} minutes; {short:g} minutes by those with a star")
    print(f"slides    {path}   (s: speaker notes, f: full screen)")
    return 0


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
    sections = "".join(_stack(stack) for stack in _stacks(slides))
    own_css = Path(__file__).with_name("deck.css").read_text(encoding="utf-8")
    styles = [
        (reveal_dir / name).read_text(encoding="utf-8") for name in ("dist/reset.css", "dist/reveal.css")
    ]
    scripts = [(reveal_dir / name).read_bytes() for name in ("dist/reveal.js", "plugin/notes/notes.js")]
    css, fonts = "".join([*styles, own_css]), font_faces(sections, FONT)
    # As data, since the notes' script has tags of its own, among which a page would find its end.
    code = "".join(f'<script src="{data_url(one, "text/javascript")}"></script>' for one in scripts)
    title = html.escape(slides[0].title)
    return (
        f'<!doctype html><html lang="ko"><head><meta charset="utf-8"><title>{title}</title>'
        f'<style id="fonts">{fonts}</style><style>{css}</style></head><body>'
        f'<div class="reveal"><div class="slides">{sections}</div></div>'
        f"{code}<script>{_START}</script></body></html>"
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


def _section(slide: Slide) -> str:
    star = ' <span class="star">★</span>' if slide.note.short else ""
    has_picture = any(one.startswith(("<img", PICTURE)) for one in slide.body)
    kind = ("mixed" if len(slide.body) > 1 else "picture") if has_picture else "words"
    tag = "h2" if slide.body else "h1"
    body = "".join(slide.body) or f"<p>{_KEYS}</p>"
    return (
        f'<section class="{kind}"><{tag}>{html.escape(slide.title)}{star}</{tag}>'
        f'{body}<aside class="notes">{notes_html(slide)}</aside></section>'
    )


if __name__ == "__main__":
    sys.exit(main())
