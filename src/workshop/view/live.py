"""What a person sees while a process runs: one display that changes in a notebook, plain lines elsewhere."""

import re
import time
from collections import deque
from collections.abc import Sequence
from html import escape

NUM_TAIL_LINES = 12
_REFRESH_S = 0.25
_CURVE_S = 1.0
"""Between two drawings of the loss curve, the longest part of the display."""

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_STYLE = """<style>
.news-run{border:1px solid rgba(128,128,128,.45);border-left:5px solid #0072b2;border-radius:4px;
 padding:8px 14px;font-size:14px}
.news-run.done{border-left-color:#009e73}
.news-run.failed{border-left-color:#d55e00}
.news-run .bar{height:10px;border-radius:5px;background:rgba(128,128,128,.25);margin:8px 0;overflow:hidden}
.news-run .bar div{height:100%;background:#0072b2}
.news-run.done .bar div{background:#009e73}
.news-run.failed .bar div{background:#d55e00}
.news-run .numbers span{display:inline-block;margin-right:22px}
.news-run pre{font-size:12px;line-height:1.45;margin:8px 0 0;white-space:pre-wrap;overflow-wrap:anywhere;
 background:none;color:inherit}
</style>"""
_SHOWN = (
    ("epoch", "epoch", "{:.2f}"),
    ("loss", "loss", "{:.4f}"),
    ("eval_loss", "eval loss", "{:.4f}"),
    ("learning_rate", "learning rate", "{:.2e}"),
    ("tokens_per_s", "tokens/s", "{:,.0f}"),
    ("memory_mib", "memory", "{:,.0f} MiB"),
)

WIDTH, HEIGHT = 640, 120
MAX_POINTS = 240
"""More would not be seen: the mean of neighbours stands for them."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 8, 8, 20
_TRAIN, _EVAL = "#0072b2", "#e69f00"

Point = tuple[float, float]


class PlainView:
    """Prints every line; for terminals, tests and logs."""

    due_s = None
    """Seconds until `tick` has something to do; None for never."""

    _rows: tuple[str, ...] = ()

    def line(self, text: str) -> None:
        """Show one line of output that is no progress line."""
        print(text, flush=True)

    def progress(self, record: dict[str, float], text: str) -> None:
        """Show one step."""
        print(text, flush=True)

    def phase(self, seconds: dict[str, float], text: str) -> None:
        """Show how long parts took."""
        print(text, flush=True)

    def status(self, text: str) -> None:
        """Show what it is busy with, for example "Downloading"."""
        print(f"status {text}", flush=True)

    def rows(self, texts: Sequence[str]) -> None:
        """Show a line for each part of a whole, in place of the last ones: here those that are new."""
        for number, text in enumerate(texts):
            if text not in self._rows[number : number + 1]:
                print(text, flush=True)
        self._rows = tuple(texts)

    def share(self, done: float, text: str) -> None:
        """Show how much of a whole is done, from 0 to 1; not shown here."""

    def tick(self) -> None:
        """Let time pass."""

    def end(self, state: str, text: str) -> None:
        """Show the last state: "done", "failed" or "stopped"."""
        print(text, flush=True)


class NotebookView:
    """Keeps one display up to date: progress bar, latest numbers, last lines; at most 4 times a second."""

    def __init__(self, name: str) -> None:
        from IPython.display import display

        self._name, self._state, self._text = name, "running", ""
        self._status, self._share = "running", (0.0, "")
        self._latest: dict[str, float] = {}
        self._losses: dict[str, list[tuple[float, float]]] = {"loss": [], "eval_loss": []}
        self._curve, self._curve_s = "", float("-inf")
        self._phases: dict[str, float] = {}
        self._rows: tuple[str, ...] = ()
        self._lines: deque[str] = deque(maxlen=NUM_TAIL_LINES)
        self._num_lines = 0
        self._start_s = time.monotonic()
        self._shown_s = self._start_s
        self._is_stale = False
        self._handle = display(self._bundle(), raw=True, display_id=True)

    @property
    def due_s(self) -> float:
        """Seconds until the display should change: soon after news, else once a second for the clock."""
        return max(0.0, self._shown_s + (_REFRESH_S if self._is_stale else 1.0) - time.monotonic())

    def line(self, text: str) -> None:
        """Keep one line of output that is no progress line."""
        self._lines.append(_ANSI.sub("", text))
        self._num_lines += 1
        self._is_stale = True

    def progress(self, record: dict[str, float], text: str) -> None:
        """Take over the numbers of one step; a number that it does not name keeps its last value."""
        self._latest |= record
        for key, points in self._losses.items():
            if key in record and "step" in record:
                points.append((record["step"], record[key]))
        self._is_stale = True

    def phase(self, seconds: dict[str, float], text: str) -> None:
        """Take over how long parts took."""
        self._phases |= seconds
        self._is_stale = True

    def status(self, text: str) -> None:
        """Take over what it is busy with; it stands at the top."""
        self._status, self._is_stale = text, True

    def rows(self, texts: Sequence[str]) -> None:
        """Take over a line for each part of a whole, in place of the last ones."""
        if tuple(texts) != self._rows:
            self._rows, self._is_stale = tuple(texts), True

    def share(self, done: float, text: str) -> None:
        """Take over how much of a whole is done, from 0 to 1, for the bar and the text below it."""
        self._share, self._is_stale = (done, text), True

    def tick(self) -> None:
        """Redraw when it is time."""
        if self.due_s == 0:
            self._draw()

    def end(self, state: str, text: str) -> None:
        """Draw the last state: "done", "failed" or "stopped"."""
        self._state, self._text = state, text
        self._draw()

    def _draw(self) -> None:
        self._shown_s, self._is_stale = time.monotonic(), False
        self._handle.update(self._bundle(), raw=True)

    def _bundle(self) -> dict[str, str]:
        return {"text/html": self._html(), "text/plain": f"{self._name}: {self._text or self._state}"}

    def _html(self) -> str:
        elapsed_s = time.monotonic() - self._start_s
        head = self._text or f"{self._name} · {self._status} · {elapsed_s:.0f} s"
        parts = [f"<b>{escape(head)}</b>"]
        step, num_steps = self._latest.get("step"), self._latest.get("num_steps")
        share, share_text = self._share
        if step is not None and num_steps:
            share = step / num_steps
        if share or share_text:
            percent = 100 * min(1.0, share)
            parts.append(f'<div class="bar"><div style="width:{percent:.1f}%"></div></div>')
        if share_text:
            parts.append(f"<div>{escape(share_text)}</div>")
        if self._latest:
            parts.append(f'<div class="numbers">{self._numbers(step, num_steps)}</div>')
        parts.append(self._loss_curve(num_steps))
        if self._phases:
            phases = " · ".join(
                f"{name.removesuffix('_s')} {_seconds(s)}" for name, s in self._phases.items()
            )
            parts.append(f"<div>{escape(phases)}</div>")
        if self._rows:
            parts.append(f"<pre>{escape(chr(10).join(self._rows))}</pre>")
        if self._lines:
            hidden = self._num_lines - len(self._lines)
            before = f"… {hidden:,} earlier lines are in the log\n" if hidden else ""
            parts.append(f"<pre>{escape(before + chr(10).join(self._lines))}</pre>")
        css = {"running": "", "done": "done"}.get(self._state, "failed")
        return f'{_STYLE}<div class="news-run {css}">{"".join(parts)}</div>'

    def _loss_curve(self, num_steps: float | None) -> str:
        now_s = time.monotonic()
        if self._state != "running" or now_s - self._curve_s >= _CURVE_S:
            self._curve = loss_svg(self._losses["loss"], self._losses["eval_loss"], num_steps)
            self._curve_s = now_s
        return self._curve

    def _numbers(self, step: float | None, num_steps: float | None) -> str:
        shown = []
        if step is not None:
            shown.append(("step", f"{step:,.0f} / {num_steps:,.0f}" if num_steps else f"{step:,.0f}"))
        for key, label, form in _SHOWN:
            value = self._latest.get(key)
            if isinstance(value, int | float):
                shown.append((label, form.format(value)))
        train_s = self._latest.get("elapsed_s")
        if self._state == "running" and train_s and step and num_steps:
            shown.append(("left", f"about {_seconds(train_s / step * (num_steps - step))}"))
        return "".join(f"<span>{label} <b>{value}</b></span>" for label, value in shown)


def make_view(name: str) -> PlainView | NotebookView:
    """Return the view that fits where this runs."""
    return NotebookView(name) if is_notebook() else PlainView()


def is_notebook() -> bool:
    """Tell whether this process is the kernel of a notebook."""
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return hasattr(get_ipython(), "kernel")


def _seconds(value: object) -> str:
    if not isinstance(value, int | float):
        return str(value)
    return f"{value / 60:.0f} min" if value >= 120 else f"{value:.1f} s" if value < 10 else f"{value:.0f} s"


def loss_svg(train: Sequence[Point], evaluation: Sequence[Point], num_steps: float | None) -> str:
    """Draw the training loss as a line and the evaluation loss as dots, over all steps of the run.

    Args:
        train: (step, loss) in order.
        evaluation: The same on unseen rows; may be empty.
        num_steps: Of the whole run, so that the line grows to the right; the last step when None.

    Returns:
        An <svg> element, or "" before there are two points to join.
    """
    if len(train) < 2:
        return ""
    last_step = max(num_steps or 0, train[-1][0], *(step for step, _ in evaluation)) or 1
    highest = max(max(loss for _, loss in train), *(loss for _, loss in evaluation), 1e-9)

    def place(point: Point) -> str:
        x = _LEFT + point[0] / last_step * (WIDTH - _LEFT - _RIGHT)
        y = HEIGHT - _BOTTOM - point[1] / highest * (HEIGHT - _TOP - _BOTTOM)
        return f"{x:.1f},{y:.1f}"

    floor = HEIGHT - _BOTTOM
    line = " ".join(map(place, _thinned(train)))
    dots = "".join(
        f'<circle cx="{x}" cy="{y}" r="4" fill="{_EVAL}"/>'
        for x, y in (place(point).split(",") for point in evaluation)
    )
    label = 'fill="currentColor" font-size="11" opacity=".7"'
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" style="max-width:100%;margin-top:6px" '
        f'role="img" aria-label="training loss">'
        f'<path d="M{_LEFT} {_TOP}V{floor}H{WIDTH - _RIGHT}" fill="none" stroke="currentColor" '
        f'opacity=".35"/>'
        f'<text x="{_LEFT - 6}" y="{_TOP + 9}" text-anchor="end" {label}>{highest:.2f}</text>'
        f'<text x="{_LEFT - 6}" y="{floor}" text-anchor="end" {label}>0</text>'
        f'<text x="{_LEFT}" y="{HEIGHT - 4}" {label}>loss over the steps</text>'
        f'<text x="{WIDTH - _RIGHT}" y="{HEIGHT - 4}" text-anchor="end" {label}>{last_step:,.0f}</text>'
        f'<polyline points="{line}" fill="none" stroke="{_TRAIN}" stroke-width="2"/>{dots}</svg>'
    )


def _thinned(points: Sequence[Point]) -> list[Point]:
    """Return at most MAX_POINTS points, each the mean of its neighbours; the last one stays itself."""
    size = -(-len(points) // MAX_POINTS)
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    means = [tuple(sum(values) / len(group) for values in zip(*group, strict=True)) for group in groups]
    return [*means[:-1], points[-1]]
