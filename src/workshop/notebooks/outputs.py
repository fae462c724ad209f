"""What a notebook printed, as a person reads it: whole lines, ends of bars, long texts folded, no noise."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Mapping
from html import escape, unescape
from typing import Any, NamedTuple

from workshop.view.clock import MARK
from workshop.view.tables import readable_tables

MAX_LINES = 40
"""Of a text, shown; the others are folded behind the number of them."""
MAX_LINE_CHARS = 600
"""Of a line, shown before it is folded behind its beginning."""
LINE_START_CHARS = 300
MAX_COLUMNS_CHARS = 260
"""Of lines that are laid out in columns: those scroll, longer ones wrap."""

_WIDGET = "application/vnd.jupyter.widget-view+json"
_WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
_MODEL = "IPY_MODEL_"
_SCRIPT = re.compile(r"<script\b.*?</script>", re.DOTALL | re.IGNORECASE)
# What a terminal has overwritten: all of a line before its last carriage return.
_OVERWRITTEN = re.compile(r"[^\n]*\r(?!\n)")
# Python's default form of log lines; and a warning of an installed package, with its line of code.
_LOG_LINE = re.compile(r"^(?:DEBUG|INFO):[\w.]+:.*\n?", re.MULTILINE)
_PACKAGE_WARNING = re.compile(r"^\S*site-packages\S*:\d+: \w*Warning: .*\n(?:  .*\n?)?", re.MULTILINE)
# Two spaces and more inside a line, as text that is laid out in columns has them.
_COLUMNS = re.compile(r"\S {2,}\S.*\S {2,}\S")


def readable(notebook: Any, hide: Callable[[str], str] = str) -> Any:
    """Return a copy of an executed notebook (nbformat) whose outputs are as a page shows them.

    Args:
        hide: Takes out of a text what only says where it was made.
    """
    notebook = copy.deepcopy(notebook)
    kept = notebook.metadata.pop("widgets", {})
    models = kept.get(_WIDGET_STATE, {}).get("state", {})
    for cell in notebook.cells:
        if cell["cell_type"] == "code":
            outputs = merged(_without_noise(merged(cell["outputs"])))
            did_fail = any(output["output_type"] == "error" for output in outputs)
            shown = (_shown(output, models, hide, did_fail=did_fail) for output in outputs)
            cell["outputs"] = [output for output in shown if output]
    return notebook


def merged(outputs: Iterable[Any]) -> list[Any]:
    """Return a cell's outputs with neighbours of the same stream joined: an answer that came in pieces."""
    joined: list[Any] = []
    for output in outputs:
        last = joined[-1] if joined else {}
        if output["output_type"] == "stream" == last.get("output_type") and output["name"] == last["name"]:
            last["text"] += output["text"]
        else:
            joined.append(output)
    for output in joined:
        if output["output_type"] == "stream":
            output["text"] = _OVERWRITTEN.sub("", output["text"])
    return joined


def folded(text: str, kind: str = "shown") -> str:
    """Return a text as HTML: its first lines, the others and the rest of long ones behind a fold."""
    lines = text.strip("\n").split("\n")
    # A fold that hides three lines costs more than it saves.
    num_shown = MAX_LINES if len(lines) > MAX_LINES + 3 else len(lines)
    shown = _lines(lines[:num_shown], kind)
    if num_shown == len(lines):
        return shown
    more = f"<summary>… {len(lines) - num_shown:,}줄 더 · more lines</summary>"
    return f"{shown}<details>{more}{_lines(lines[num_shown:], kind)}</details>"


def _without_noise(outputs: Iterable[Any]) -> Iterable[Any]:
    """Leave out what libraries log about themselves: nothing that a reader could act on."""
    for output in outputs:
        if output["output_type"] == "stream" and output["name"] == "stderr":
            output["text"] = _PACKAGE_WARNING.sub("", _LOG_LINE.sub("", output["text"]))
            if not output["text"].strip():
                continue
        yield output


def _shown(output: Any, models: Mapping[str, Any], hide: Callable[[str], str], *, did_fail: bool) -> Any:
    """Return an output as the page shows it; None for a clock, and a bar that was taken away when done."""
    kind = output["output_type"]
    if output.get("metadata") == MARK:
        return None
    if kind == "stream":
        return _html(folded(hide(output["text"]), output["name"]))
    if kind == "error":
        output["traceback"] = [hide(line) for line in output["traceback"]]
        return output
    data = output["data"]
    model = models.get(data.pop(_WIDGET, {}).get("model_id", ""), None)
    for script in [name for name in data if "widget" in name or "javascript" in name]:
        del data[script]
    if model is not None and (bar := _bar(model, models)):
        return None if bar.is_gone and not did_fail else _html(bar.html)
    if "text/html" in data:
        data["text/html"] = hide(readable_tables(_SCRIPT.sub("", data["text/html"])))
    elif "text/plain" in data and not any(name.startswith("image/") for name in data):
        return _html(folded(hide(data["text/plain"])))
    return output


class _Bar(NamedTuple):
    html: str
    is_gone: bool


def _bar(model: Mapping[str, Any], models: Mapping[str, Any]) -> _Bar | None:
    """Return the last state of a progress bar with the texts beside it, as tqdm lays them out; else None.

    tqdm gives a bar that stays a colour at its end; leave=False closes the widget, and what is known of it
    is of some moment before.
    """
    children = [models.get(name.removeprefix(_MODEL)) for name in model["state"].get("children", ())]
    parts, is_gone = [], None
    for one in filter(None, children or [model]):
        state = one["state"]
        if "Progress" in one["model_name"]:
            low, high = state.get("min", 0), state.get("max", 100)
            share = min(max((state.get("value", 0) - low) / ((high - low) or 1), 0), 1)
            is_gone = bool(children) and not state.get("bar_style")
            parts.append(f'<i><b style="width:{100 * share:.0f}%"></b></i>')
        elif one["model_name"] == "HTMLModel":
            parts.append(f"<span>{escape(_text(state.get('value', '')))}</span>")
    return None if is_gone is None else _Bar(f'<div class="progress">{"".join(parts)}</div>', is_gone)


def _text(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", "", html)).split())


def _lines(lines: list[str], kind: str) -> str:
    """Return lines as <pre>; one that is too long becomes a fold of its own."""
    parts: list[str] = []
    block: list[str] = []
    for line in lines:
        if len(line) <= MAX_LINE_CHARS:
            block.append(line)
            continue
        parts += [_pre(block, kind), _long_line(line, kind)]
        block = []
    return "".join((*parts, _pre(block, kind)))


def _pre(lines: list[str], kind: str) -> str:
    if not lines:
        return ""
    is_table = (
        sum(bool(_COLUMNS.search(line)) for line in lines) > max(2, len(lines) / 2)
        and max(map(len, lines)) <= MAX_COLUMNS_CHARS
    )
    names = f"shown {kind} columns" if is_table else f"shown {kind}"
    return f'<pre class="{names}">{_coloured(chr(10).join(lines))}</pre>'


def _long_line(line: str, kind: str) -> str:
    rest = f"… {len(line) - LINE_START_CHARS:,}자 더 · more characters"
    return (
        f'<details class="long"><summary><span>{_coloured(line[:LINE_START_CHARS])} '
        f'<b class="more">{rest}</b></span></summary>'
        f'<pre class="shown {kind}">{_coloured(line)}</pre></details>'
    )


def _coloured(text: str) -> str:
    from nbconvert.filters import ansi2html

    return str(ansi2html(text))


def _html(html: str) -> Any:
    from nbformat.v4 import new_output

    return new_output("display_data", data={"text/html": html})
