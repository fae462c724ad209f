"""All executed notebooks on one HTML page that works without a network."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import TYPE_CHECKING

from workshop.pictures.embed import inlined

if TYPE_CHECKING:
    from workshop.notebooks.run import NotebookRun

PAGE_STYLE = """
body { font: 16px/1.6 system-ui, "Apple SD Gothic Neo", "Malgun Gothic", "Noto Sans KR", sans-serif;
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24; background: #fff; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { border: 1px solid #d0d7de; padding: .3rem .6rem; }
pre { overflow-x: auto; padding: .6rem .8rem; border-radius: 6px; font: 13px/1.45 ui-monospace, monospace; }
.jp-InputArea-editor pre { background: #f6f8fa; } .jp-OutputArea-output pre { background: none; }
.jp-InputPrompt, .jp-OutputPrompt, .prompt { display: none; } img { max-width: 100%; }
blockquote { margin: 0 0 1rem; padding-left: 1rem; border-left: 4px solid #d0d7de; color: #57606a; }
section { border-top: 3px solid #0969da; margin-top: 3rem; } .failed { color: #b00020; font-weight: 600; }
.ansi-red-fg, .ansi-red-intense-fg { color: #b00020; } .ansi-green-fg { color: #116329; }
.ansi-bold { font-weight: 700; }
nav td:nth-child(2) { text-align: right; }
"""


def write_report(path: Path, runs: list[NotebookRun], mode: str) -> None:
    """Write the page: a table of contents with times, then every notebook with its outputs.

    Images are embedded, and the pictures of img/. nbconvert's full page templates load require.js and MathJax
    from a public host; its bare template gives the cells alone, and the page around them is made here.

    Args:
        runs: Executed notebooks, in order.
    """
    from nbconvert import HTMLExporter
    from pygments.formatters import HtmlFormatter

    exporter = HTMLExporter(template_name="basic", embed_images=True, exclude_anchor_links=True)
    # Live widgets would need scripts from a public host; their text form says the same.
    exporter.register_preprocessor(_without_widgets, enabled=True)
    sections = []
    for number, one in enumerate(runs, start=1):
        body, _ = exporter.from_notebook_node(
            one.notebook, resources={"metadata": {"path": str(one.path.parent)}}
        )
        shown = inlined(_without_scripts(body))
        sections.append(f'<section id="notebook-{number}">{shown}</section>')
    title = f"Korean news to Llama-3, mode {html.escape(mode)}"
    style = PAGE_STYLE + HtmlFormatter().get_style_defs(".highlight")
    page = (
        f'<!doctype html><html lang="ko"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{style}</style></head><body><h1>{title}</h1>{_contents(runs)}{''.join(sections)}</body></html>"
    )
    path.write_text(page, encoding="utf-8")


def _contents(runs: list[NotebookRun]) -> str:
    words = {True: '<span class="failed">failed</span>', False: "ok"}
    rows = "".join(
        f'<tr><td><a href="#notebook-{number}">{html.escape(one.path.stem)}</a></td>'
        f"<td>{one.seconds:.1f} s</td><td>{words[one.failure is not None]}</td></tr>"
        for number, one in enumerate(runs, start=1)
    )
    total_s = sum(one.seconds for one in runs)
    return f"<nav><table>{rows}<tr><td>all</td><td>{total_s:.1f} s</td><td></td></tr></table></nav>"


def _without_widgets(notebook: object, resources: dict) -> tuple[object, dict]:
    import copy

    notebook = copy.deepcopy(notebook)
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            for kind in [kind for kind in output.get("data", {}) if "widget" in kind or "javascript" in kind]:
                del output["data"][kind]
    return notebook, resources


def _without_scripts(body: str) -> str:
    return re.sub(r"<script\b.*?</script>", "", body, flags=re.DOTALL | re.IGNORECASE)
