"""All executed notebooks on one HTML page that works without a network and can be mailed."""

from __future__ import annotations

import html
import re
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from workshop.notebooks.order import heading_above
from workshop.notebooks.outputs import readable
from workshop.notebooks.page_style import page_style
from workshop.pictures.embed import inlined
from workshop.settings import find_repo_dir

if TYPE_CHECKING:
    from workshop.notebooks.run import NotebookRun

SLOW_S = 2.0
"""A cell that took longer stands in the table of times."""

# Every English text is a quote, and the page's style hides those while the box is checked. By style alone: a
# mail program may take scripts away. The box stands first, as the style looks from it to what comes after it.
KOREAN_ONLY = (
    '<input type="checkbox" id="korean-only">'
    '<label class="korean-only" for="korean-only">한국어만 · Korean only</label>'
)

_LINK = re.compile(r'<a\b[^>]*?\bhref="([^"]*)"[^>]*>(.*?)</a>', re.DOTALL)
_THIS_MACHINE = re.compile(r"https?://(?:127(?:\.\d+){3}|localhost|\[::1\])(?::\d+)?[^\s\"'<>&)]*")


def write_report(path: Path, runs: list[NotebookRun], mode: str) -> None:
    """Write the page: a table of contents, the times of slow cells, every notebook with its outputs.

    Images are embedded, and the pictures of img/. nbconvert's full page templates load require.js and MathJax
    from a public host; its bare template gives the cells alone, and the page around them is made here.

    Args:
        path: Where to; what lies in the folder above it or in the repository is named from there.
        runs: Executed notebooks, in order.
    """
    hide = hidden_places(path.parent.parent)
    for number, one in enumerate(runs, start=1):
        # The page is written after each notebook, a notebook is turned into HTML once.
        one.html = one.html or _section(one, number, hide)
    title = f"한국어 뉴스 요약과 Llama-3 · Korean news to Llama-3, mode {html.escape(mode)}"
    body = _with_own_links("".join(one.html for one in runs), runs)
    before = (
        f'<!doctype html><html lang="ko"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{title}</title>'
        f"<style>{page_style()}</style></head><body>{KOREAN_ONLY}<h1>{title}</h1>"
    )
    after = f"{_contents(runs)}{_slow_cells(runs)}{body}</body></html>"
    size_mb = len((before + after).encode()) / 1e6
    size = (
        f"<p>이 파일 하나({size_mb:.1f} MB)에 그림까지 모두 들어 있습니다. 메일로 보내도 그대로 열립니다.</p>"
        f"<blockquote>One file of {size_mb:.1f} MB, pictures included: it can be mailed.</blockquote>"
    )
    path.write_text(before + size + after, encoding="utf-8")


def hidden_places(home: Path) -> Callable[[str], str]:
    """Return what takes this machine's folders, and addresses that only it answers, out of a text.

    Args:
        home: The folder of the mode's results.
    """
    repo_dir = find_repo_dir()
    # who has not set the variable finds nothing behind its name
    of_home = ".workshop" if home.parent == repo_dir / ".workshop" else "$WORKSHOP_HOME"
    names = {str(repo_dir): ".", str(home.parent): of_home, str(Path.home()): "~"}
    if sys.prefix != sys.base_prefix:  # an environment of its own, and not /usr
        names[sys.prefix] = "$VIRTUAL_ENV"
    names.pop("/", None)
    # The longest first: the home may lie in the repository, both in that of the user.
    places = [
        (re.compile(rf"(?<![\w.-]){re.escape(place)}(?=/|[^\w.-]|\.?$|\.\s)"), name)
        for place, name in sorted(names.items(), key=lambda one: -len(one[0]))
    ]

    def hide(text: str) -> str:
        for place, name in places:
            text = place.sub(name, text)
        # A query may carry a token, and nobody else can open it.
        return _THIS_MACHINE.sub(lambda match: re.split(r"[?#]", match[0])[0], text)

    return hide


def cell_seconds(cell: Any) -> float:
    """Return how long a cell ran, as the kernel's messages were stamped; 0 where they were not."""
    times = cell.get("metadata", {}).get("execution", {})
    start, end = times.get("iopub.execute_input"), times.get("shell.execute_reply")
    return (_time(end) - _time(start)).total_seconds() if start and end else 0.0


def cell_silence_s(cell: Any) -> float | None:
    """Return the longest time that a cell showed nothing new; None where nobody watched it."""
    return cell.get("metadata", {}).get("workshop", {}).get("silent_s")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _section(one: NotebookRun, number: int, hide: Callable[[str], str]) -> str:
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(template_name="basic", embed_images=True, exclude_anchor_links=True)
    notebook = readable(one.notebook, hide)
    for index, cell in enumerate(notebook.cells):
        cell["id"] = f"{number}-{index}"  # a cell that was copied has the same in two notebooks
    resources = {"metadata": {"path": str(one.path.parent)}}
    body, _ = exporter.from_notebook_node(notebook, resources=resources)
    body = re.sub(r"<script\b.*?</script>", "", body, flags=re.DOTALL | re.IGNORECASE)
    return f'<section id="notebook-{number}">{inlined(body)}</section>'


def _with_own_links(body: str, runs: list[NotebookRun]) -> str:
    """Let links to notebooks lead to them on this page; those to files that are not on it become text."""
    places = {one.path.name: f"#notebook-{number}" for number, one in enumerate(runs, start=1)}

    def mended(match: re.Match[str]) -> str:
        address = html.unescape(match[1])
        if place := places.get(unquote(address).split("#")[0].rsplit("/", 1)[-1]):
            return f'<a href="{place}">{match[2]}</a>'
        is_public = re.match(r"https?:", address) and not _THIS_MACHINE.match(address)
        return match[0] if is_public or address.startswith(("#", "mailto:")) else f"<span>{match[2]}</span>"

    return _LINK.sub(mended, body)


def _contents(runs: list[NotebookRun]) -> str:
    words = {True: '<span class="failed">failed</span>', False: "ok"}
    rows = "".join(
        f'<tr><td><a href="#notebook-{number}">{html.escape(one.path.stem)}</a></td>'
        f'<td class="figure">{one.seconds:.1f} s</td><td>{words[one.failure is not None]}</td></tr>'
        for number, one in enumerate(runs, start=1)
    )
    total_s = sum(one.seconds for one in runs)
    return (
        "<nav><table><tr><th>노트북 · notebook</th><th>시간 · time</th><th>결과 · result</th></tr>"
        f'{rows}<tr><td>모두 · all</td><td class="figure">{total_s:.1f} s</td><td></td></tr></table></nav>'
    )


def _slow_cells(runs: list[NotebookRun]) -> str:
    """Return the stopwatch: which cells of each notebook took longer than SLOW_S, and stood still."""
    rows = "".join(
        f'<tr><td>{html.escape(one.path.stem)}</td><td><a href="#cell-id={number}-{index}">'
        f'{html.escape(heading)}</a></td><td class="figure">{seconds:.1f} s</td>'
        f'<td class="figure">{"-" if silent_s is None else f"{silent_s:.1f} s"}</td></tr>'
        for number, one in enumerate(runs, start=1)
        for index, heading, seconds, silent_s in _slow(one)
    )
    if not rows:
        return ""
    return (
        f"<details><summary>{SLOW_S:.0f}초가 넘은 셀 · cells above {SLOW_S:.0f} s</summary><table><tr>"
        "<th>노트북 · notebook</th><th>셀 · cell</th><th>시간 · time</th>"
        "<th>출력이 멈춘 가장 긴 시간 · longest without output</th></tr>"
        f"{rows}</table></details>"
    )


def _slow(one: NotebookRun) -> Iterator[tuple[int, str, float, float | None]]:
    for index, cell in enumerate(one.notebook.cells):
        if (seconds := cell_seconds(cell)) > SLOW_S:
            yield index, heading_above(one.notebook.cells, index), seconds, cell_silence_s(cell)
