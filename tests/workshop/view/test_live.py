"""A notebook sees one display that changes, and not thousands of lines."""

import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from workshop.training.launch import LaunchError, launch
from workshop.view import live as live_view
from workshop.view.live import HEIGHT, MAX_POINTS, WIDTH, NotebookView, PlainView, loss_svg

PYTHON = sys.executable


def run_python(code: str, tmp_path: Path):
    return launch([PYTHON, "-c", code], log_path=tmp_path / "log", timeout_s=600)


class FakeDisplay:
    """Stands in for a notebook's front end, which no test process has: keeps what it is asked to show."""

    def __init__(self) -> None:
        self.shown: list[dict[str, str]] = []

    def __call__(self, bundle: dict[str, str], *, raw: bool, display_id: bool) -> "FakeDisplay":
        assert (raw, display_id) == (True, True)
        self.shown.append(bundle)
        return self

    def update(self, bundle: dict[str, str], *, raw: bool) -> None:
        self.shown.append(bundle)


@pytest.fixture
def front_end(monkeypatch: pytest.MonkeyPatch) -> FakeDisplay:
    fake = FakeDisplay()
    monkeypatch.setattr("IPython.display.display", fake)
    monkeypatch.setattr(live_view, "is_notebook", lambda: True)
    return fake


def test_a_notebook_gets_one_display_and_few_updates(tmp_path: Path, front_end: FakeDisplay):
    result = run_python(
        """
print('phase {"imports_s": 4.9}')
for step in range(1, 3001):
    print('progress {"step": %d, "num_steps": 3000, "loss": 1.23456, "elapsed_s": %f}' % (step, step / 100))
    print('<b>line</b>', step)
""",
        tmp_path,
    )
    assert len(result.records) == 3000
    assert len(front_end.shown) <= 3 + result.wall_s / 0.25
    last = front_end.shown[-1]["text/html"]
    for part in (
        "step <b>3,000 / 3,000</b>",
        "loss <b>1.2346</b>",
        "width:100.0%",
        "imports 4.9 s",
        "done in",
    ):
        assert part in last
    assert "&lt;b&gt;line&lt;/b&gt; 3000" in last
    assert "2,988 earlier lines" in last
    assert front_end.shown[-1]["text/plain"].startswith("python")


def test_the_display_of_a_failed_run_says_so(tmp_path: Path, front_end: FakeDisplay):
    with pytest.raises(LaunchError):
        run_python("raise SystemExit('no disk space')", tmp_path)
    last = front_end.shown[-1]["text/html"]
    assert 'class="news-run failed"' in last
    assert "no disk space" in last


class Clock:
    """A time that passes when a test says so, in place of the module `time`."""

    now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    stopped = Clock()
    monkeypatch.setattr(live_view, "time", stopped)
    return stopped


def test_the_clock_goes_on_while_the_process_is_silent(front_end: FakeDisplay, clock: Clock):
    view = NotebookView("train.py")
    assert view.due_s == 1
    view.line("news")
    assert view.due_s == 0.25
    view.tick()
    assert len(front_end.shown) == 1
    clock.now_s += 0.25
    view.tick()
    assert len(front_end.shown) == 2
    assert view.due_s == 1


def test_a_real_kernel_shows_one_output_that_was_updated(tmp_path: Path):
    import nbformat
    from nbclient import NotebookClient

    source = f"""
from workshop.training.launch import launch
code = '[print("progress {{\\\\"step\\\\": %d, \\\\"num_steps\\\\": 9}}" % i) for i in range(1, 10)]'
result = launch([{PYTHON!r}, "-c", code], log_path={str(tmp_path / "log")!r}, timeout_s=600)
assert len(result.records) == 9
"""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    NotebookClient(notebook, timeout=1200, kernel_name="python3").execute()
    outputs = notebook.cells[0].outputs
    assert [output.output_type for output in outputs] == ["stream", "display_data"]
    assert "step <b>9 / 9</b>" in outputs[1].data["text/html"]


def test_the_loss_is_drawn_while_it_runs_and_at_the_end(front_end: FakeDisplay):
    view = NotebookView("job")
    for step in (1, 2):
        view.progress({"step": step, "num_steps": 2, "loss": 3.0 / step}, "")
    view.progress({"step": 2, "eval_loss": 1.25}, "")
    view.end("done", "job · done")
    last = front_end.shown[-1]["text/html"]
    assert last.count("<polyline") == last.count("<circle") == 1
    assert "loss <b>1.5000</b>" in last


def test_the_curve_is_redrawn_once_a_second_at_most(
    front_end: FakeDisplay, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    drawn = []
    monkeypatch.setattr(live_view, "loss_svg", lambda *args: drawn.append(args) or "<svg/>")
    view = NotebookView("job")
    for step in range(50):
        view.progress({"step": step, "loss": 1.0}, "")
        view._draw()
    assert len(drawn) == 1
    view.end("done", "job · done")
    assert len(drawn) == 2


def test_the_lines_of_a_wholes_parts_stand_in_place_of_the_last_ones(
    front_end: FakeDisplay, capsys: pytest.CaptureFixture[str]
):
    first, second = ["Prepare  Executing", "Train    Waiting"], ["Prepare  Succeeded", "Train    Waiting"]
    for view in (NotebookView("news"), PlainView()):
        for rows in (first, first, second):
            view.rows(rows)
        view.end("done", "the end")
    last = front_end.shown[-1]["text/html"]
    assert "<pre>Prepare  Succeeded\nTrain    Waiting</pre>" in last
    assert "Executing" not in last
    assert capsys.readouterr().out.splitlines() == [*first, "Prepare  Succeeded", "the end"]


def test_status_and_share_stand_at_the_top(front_end: FakeDisplay):
    view = NotebookView("job")
    view.status("Downloading <weights>")
    view.share(0.25, "model.safetensors  4.0 GB of 16.0 GB")
    view._draw()
    shown = front_end.shown[-1]["text/html"]
    assert "job · Downloading &lt;weights&gt; · 0 s" in shown
    assert "width:25.0%" in shown
    assert "4.0 GB of 16.0 GB" in shown


def test_a_terminal_shows_the_status_as_a_line(capsys: pytest.CaptureFixture):
    view = PlainView()
    view.status("Training")
    view.share(0.5, "half")
    assert capsys.readouterr().out == "status Training\n"


def line(svg: str) -> list[tuple[float, float]]:
    points = re.search(r'points="([^"]+)"', svg)[1]
    return [tuple(map(float, point.split(","))) for point in points.split()]


def test_nothing_is_drawn_before_there_is_a_line() -> None:
    assert loss_svg([], [], 100) == loss_svg([(1, 2.0)], [(1, 2.0)], 100) == ""


def test_the_line_grows_to_the_right_and_falls_with_the_loss() -> None:
    svg = loss_svg([(0, 4.0), (50, 2.0)], [], 100)
    (x0, y0), (x1, y1) = line(svg)
    (_, _), (x2, _) = line(loss_svg([(0, 4.0), (100, 2.0)], [], 100))
    assert x1 - x0 == (x2 - x0) / 2
    assert y1 > y0
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in ((x0, y0), (x1, y1), (x2, 0)))


def test_a_long_run_is_drawn_with_few_points_and_its_true_end() -> None:
    points = [(float(step), 5.0 - step / 2000) for step in range(1, 5001)]
    drawn = line(loss_svg(points, [], 5000))
    assert MAX_POINTS / 2 < len(drawn) <= MAX_POINTS
    assert drawn[-1] == line(loss_svg(points[-2:], [(1, points[0][1])], 5000))[-1]


def test_zero_loss_and_unknown_length_are_drawn() -> None:
    for svg in (loss_svg([(0, 0.0), (0, 0.0)], [], None), loss_svg([(1, 1.0), (9, 0.5)], [(12, 2.0)], None)):
        assert ElementTree.fromstring(svg).tag == "svg"
        assert "nan" not in svg
