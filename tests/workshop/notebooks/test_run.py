"""Real kernels, real signals: what `make sample` shows, leaves and cleans up."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import psutil
import pytest

from workshop.notebooks.order import list_notebooks
from workshop.settings import find_repo_dir

PICTURE = "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"


def write_notebook(folder: Path, name: str, *cells: str) -> Path:
    """Write a notebook: cells that begin with # are markdown."""
    made = [
        nbformat.v4.new_markdown_cell(cell) if cell.startswith("#") else nbformat.v4.new_code_cell(cell)
        for cell in cells
    ]
    # A kernel that is installed nowhere; the run must not look for one.
    metadata = {"kernelspec": {"name": "no-such-kernel", "display_name": "none", "language": "python"}}
    path = folder / f"{name}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=made, metadata=metadata), path)
    return path


def command(*paths: Path) -> list[str]:
    return [sys.executable, "-m", "workshop.notebooks.run", "--notebooks", *map(str, paths)]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A home of its own, and an installed kernel named python3 that does not work."""
    spec = tmp_path / "jupyter" / "kernels" / "python3" / "kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text('{"argv": ["false"], "display_name": "broken", "language": "python"}')
    return {
        **os.environ,
        "JUPYTER_PATH": str(tmp_path / "jupyter"),
        "WORKSHOP_HOME": str(tmp_path / "home"),
        "WORKSHOP_CELL_TIMEOUT_S": "30",
    }


class Loads(HTMLParser):
    """Collect what a browser would fetch when it opens the page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        wanted = {"src", "srcset", "data", "poster"} | ({"href"} if tag == "link" else set())
        self.addresses += [value or "" for name, value in attributes if name in wanted]


def test_a_run_leaves_executed_notebooks_and_one_page_that_loads_nothing(
    tmp_path: Path, environ: dict
) -> None:
    first = write_notebook(
        tmp_path,
        "01-first",
        "# 01. 처음 · First",
        "import sys, os\nprint(sys.executable, os.getcwd())",
        PICTURE,
    )
    widget = (
        "import ipywidgets\nfrom IPython.display import display, HTML\ndisplay(ipywidgets.IntProgress())\n"
    )
    script = "display(HTML('<script src=\"https://example.com/x.js\"></script><b>굵게</b>'))"
    second = write_notebook(tmp_path, "02-second", "# 02. 다음 · Next $x^2$", widget + script)
    done = subprocess.run(command(first, second), env=environ, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr
    assert re.search(r"01-first +[\d.]+ s +ok", done.stdout)
    assert re.search(r"all +[\d.]+ s +ok", done.stdout)
    report_dir = tmp_path / "home" / "sample" / "report"
    executed = nbformat.read(report_dir / "01-first.ipynb", as_version=4)
    assert executed.cells[1].outputs[0].text.split() == [sys.executable, str(tmp_path)]
    page = (report_dir / "report.html").read_text(encoding="utf-8")
    for part in ("01. 처음", "02. 다음", 'href="#notebook-2"', "굵게"):
        assert part in page
    loads = Loads()
    loads.feed(page)
    assert "script" not in loads.tags
    assert len(loads.addresses) == 1, "the picture, and nothing else"
    assert loads.addresses[0].startswith("data:image/png;base64,")
    assert not re.search(r"@import|url\(", page)


def test_a_failing_cell_stops_the_run_and_is_shown(tmp_path: Path, environ: dict) -> None:
    raising = (
        "from workshop.errors import WorkshopError as E\n"
        "raise E(found='빈 파일', expected='b', next_step='c')"
    )
    bad = write_notebook(tmp_path, "01-bad", "# 01. Bad", "## 1. 실패 · Failure", raising, "print('after')")
    never = write_notebook(tmp_path, "02-never", "# 02. Never", "print('never')")
    done = subprocess.run(command(bad, never), env=environ, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 1
    for part in ("under the heading: 1. 실패 · Failure", "    raise E(found=", "빈 파일"):
        assert part in done.stderr
    assert "Traceback" not in done.stderr
    assert "02-never" not in done.stdout
    page = (tmp_path / "home" / "sample" / "report" / "report.html").read_text(encoding="utf-8")
    assert "failed" in page
    assert "빈 파일" in page


def test_a_cell_beyond_its_time_ends_the_run(tmp_path: Path, environ: dict) -> None:
    slow = write_notebook(tmp_path, "01-slow", "# 01. Slow", "import time\ntime.sleep(60)")
    environ = {**environ, "WORKSHOP_CELL_TIMEOUT_S": "2"}
    done = subprocess.run(command(slow), env=environ, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert "CellTimeoutError" in done.stderr


def test_a_kernel_that_dies_ends_the_run(tmp_path: Path, environ: dict) -> None:
    dying = write_notebook(tmp_path, "01-dying", "# 01. Dying", "import os\nos._exit(3)")
    done = subprocess.run(command(dying), env=environ, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert "DeadKernelError" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_no_process_behind(
    tmp_path: Path, environ: dict, number: signal.Signals
) -> None:
    cell = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'import time; time.sleep(300)'])"
    path = write_notebook(tmp_path, "01-long", "# 01. Long", cell)
    # A job started in the background of a script ignores Ctrl-C; ours is to receive it.
    process = subprocess.Popen(
        command(path), env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, restore_signals=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    children: list[psutil.Process] = []
    deadline_s = time.monotonic() + 300
    while not any("time.sleep(300)" in command_line(child) for child in children):
        assert time.monotonic() < deadline_s, "the cell did not start"
        time.sleep(0.1)
        children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 130, output.decode()
    gone, alive = psutil.wait_procs(children, timeout=300)
    assert len(gone) >= 2, "the kernel and its child were seen"
    assert not alive


def test_the_list_holds_every_notebook_without_running_one(tmp_path: Path, environ: dict) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "workshop.notebooks.run", "--tracks", "all", "--list"],
        env=environ,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    listed = [Path(line) for line in done.stdout.splitlines()]
    assert listed == list_notebooks(find_repo_dir() / "notebook")
    assert not (tmp_path / "home").exists()


def command_line(process: psutil.Process) -> str:
    """Return a process's command; "" when it has ended meanwhile."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@pytest.mark.parametrize("track", ["01", "all"])
def test_make_sample_runs_the_track_that_it_is_given(track: str) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(
        ["make", "--dry-run", "sample", f"TRACK={track}"],
        cwd=find_repo_dir(), env=environ, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert f"-m workshop.notebooks.run --tracks {track}\n" in done.stdout


def test_an_unknown_track_is_named_before_anything_runs(tmp_path: Path, environ: dict) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "workshop.notebooks.run", "--tracks", "77"],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "no track 77" in done.stderr
    assert "01, 02" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "home").exists()


def test_a_missing_notebook_is_named(tmp_path: Path, environ: dict) -> None:
    done = subprocess.run(
        command(tmp_path / "gone.ipynb"), env=environ, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 1
    assert "gone.ipynb" in done.stderr
    assert "Traceback" not in done.stderr
