"""Make decks of notebooks that have been executed: one HTML file each, and a page that leads to them.

    python -m workshop.slides                     of all that `make sample` has run, as `make slides` does
    python -m workshop.slides 04 --track 02       of one, as `make slides N=04 TRACK=02` does (track: 01)
    python -m workshop.slides --track 03          of a track

What was asked for by number or track and has not been executed as it is now is run first, after what it
builds on; so is the story of track 03, which takes seconds. Open a deck in a browser: s for the notes, f for
full screen.
Exit code 0: the decks are there; 1: none, or a notebook failed.
"""

from __future__ import annotations

import argparse
import html
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from processes.files import atomic_write
from workshop.errors import WorkshopError
from workshop.notebooks.order import choose_tracks, list_notebooks
from workshop.notebooks.report import hidden_places
from workshop.notebooks.run import interrupt_on_signals, run_notebooks
from workshop.notebooks.upto import find_notebook, prepare
from workshop.settings import Settings, load_settings
from workshop.slides.cut import Slide, cut
from workshop.slides.deck import REVEAL_DIR, check_reveal, deck_html
from workshop.slides.notes import add_talk, add_waits, load_waits
from workshop.slides.talk import TALK_OF, load_talk

INDEX = "index.html"


def slides_of(name: str, notebook: Any, settings: Settings) -> list[Slide]:
    """Return the slides of an executed notebook (nbformat) with what the speaker has beside them."""
    has_talk = name == TALK_OF
    slides = cut(notebook, has_talk=has_talk, hide=hidden_places(settings.home))
    if has_talk:
        add_talk(slides, load_talk(settings.repo_dir / "notebook"))
    else:
        waits = load_waits(settings.repo_dir / "setup")
        add_waits(slides, {section: one for (stem, section), one in waits.items() if stem == name})
    return slides


def make(settings: Settings, paths: Sequence[Path], *, asked: bool) -> int:
    """Write the decks of notebooks, and the page that leads to every deck; return how many failed.

    Args:
        asked: Whether what has not been executed as it is now shall be; what never was is left out otherwise.

    Raises:
        WorkshopError: No reveal.js, or no notebook of these has been executed.
    """
    reveal_dir = settings.repo_dir / REVEAL_DIR
    check_reveal(reveal_dir)
    folder = settings.home / "slides"
    folder.mkdir(parents=True, exist_ok=True)
    left_out, num_failed, num_made = [], 0, 0
    for path in paths:
        notebook = _executed(settings, path)
        if (asked or path.stem == TALK_OF) and not _is_of(path, notebook):
            if not _run(settings, path):
                num_failed += 1
                continue
            notebook = _executed(settings, path)
        if notebook is None:
            left_out.append(path.stem)
            continue
        slides = slides_of(path.stem, notebook, settings)
        atomic_write(folder / f"{path.stem}.html", deck_html(slides, reveal_dir).encode())
        num_made += 1
        age = "" if _is_of(path, notebook) else "   (as it was executed: the notebook has changed since)"
        print(f"{path.stem:<40} {len(slides):>3} slides{_length(slides)}{age}")
    made = [one for one in list_notebooks(settings.repo_dir / "notebook") if _deck(folder, one).is_file()]
    atomic_write(folder / INDEX, _index(made).encode())
    if left_out:
        print(
            f"not executed yet: {', '.join(left_out)}   (make sample TRACK=all, or make slides N=.. TRACK=..)"
        )
    if num_made:
        print(f"slides    {folder / INDEX}   (in a deck: s: speaker notes, f: full screen)")
    return num_failed


def _executed(settings: Settings, path: Path) -> Any | None:
    """Return a notebook as it was executed to its end; None where it was not."""
    import nbformat

    kept = settings.home / "report" / path.name
    if not kept.is_file():
        return None
    notebook = nbformat.read(kept, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    is_whole = code[-1].execution_count and all(
        one.output_type != "error" for cell in code for one in cell.outputs
    )
    return notebook if is_whole else None


def _is_of(path: Path, executed: Any | None) -> bool:
    """Tell whether a notebook was executed as it is now."""
    import nbformat

    if executed is None:
        return False
    now, then = ([cell.source for cell in one.cells] for one in (nbformat.read(path, as_version=4), executed))
    return now == then


def _run(settings: Settings, path: Path) -> bool:
    """Execute a notebook after what it builds on; False when one failed."""
    if path.stem != TALK_OF and not prepare(settings, path):
        return False
    run = run_notebooks(settings, [path], has_report=False)[-1]
    if run.failure:
        print(run.failure, file=sys.stderr)
    return not run.failure


def _length(slides: Sequence[Slide]) -> str:
    notes = [one.note for one in slides if one.note]
    minutes, short = (sum(getattr(one, name) for one in notes) for name in ("minutes", "short"))
    return f", {minutes:g} minutes; {short:g} minutes by those with a star" if notes else ""


def _deck(folder: Path, path: Path) -> Path:
    return folder / f"{path.stem}.html"


def _index(paths: Iterable[Path]) -> str:
    rows = "".join(
        f'<li><a href="{path.stem}.html">{html.escape(path.parent.name)} / {html.escape(path.stem)}</a></li>'
        for path in paths
    )
    return (
        '<!doctype html><html lang="ko"><head><meta charset="utf-8"><title>발표 자료 · Slides</title>'
        "<style>:root {color-scheme: light dark} body {font: 18px/1.7 system-ui, sans-serif; margin: 3rem}"
        f"</style></head><body><h1>발표 자료 · Slides</h1><ul>{rows}</ul></body></html>"
    )


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m workshop.slides", description=__doc__.split("\n", 1)[0])
    parser.add_argument("number", nargs="?", default="", metavar="N", help="of one notebook: 04, 03-1")
    parser.add_argument(
        "--track", default="", metavar="NUMBER", help="its track (default: 01), or a whole one"
    )
    arguments = parser.parse_args(argv)
    interrupt_on_signals()
    try:
        settings = load_settings()
        folder = settings.repo_dir / "notebook"
        paths = list_notebooks(folder)
        if arguments.number:
            paths = [find_notebook(folder, arguments.track or "01", arguments.number, target="slides")]
        elif arguments.track:
            paths = choose_tracks(folder, [arguments.track])
        num_failed = make(settings, paths, asked=bool(arguments.number or arguments.track))
    except WorkshopError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; no kernel is left running, decks that are done are kept", file=sys.stderr)
        return 130
    return 1 if num_failed else 0


if __name__ == "__main__":
    sys.exit(main())
