"""Run every notebook in order and leave a report to look at.

    python -m workshop.notebooks.run                        tracks 01 and 02, as `make sample` does
    python -m workshop.notebooks.run --tracks 03            another track, several, or all
    python -m workshop.notebooks.run --tracks all --list    the names of the notebooks, in order
    python -m workshop.notebooks.run --notebooks A.ipynb    these only, in the given order

Executed notebooks and report.html land in <home>/report. Exit code 0: all cells ran; 1: a cell failed
(the run stops there, the report still shows everything up to it); 130: interrupted.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workshop.aws import local as local_aws
from workshop.errors import WorkshopError
from workshop.notebooks.order import DEFAULT_TRACKS, choose_tracks, heading_above
from workshop.settings import Settings, load_settings

REFRESH_S = 0.2
NUM_TRACEBACK_LINES = 12


@dataclass(kw_only=True)
class NotebookRun:
    """Result of one notebook.

    Args:
        path: The notebook in the repository.
        notebook: Its executed form (nbformat), with whatever output there was.
        seconds: Wall time, the kernel's start included.
        failure: What to print when a cell failed, or None.
        html: Its part of the report, once that was made.
    """

    path: Path
    notebook: Any
    seconds: float
    failure: str | None = None
    html: str = ""


class LiveLine:
    """Show one line per notebook: rewritten in place on a terminal, one line per heading elsewhere."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.started_s = time.monotonic()
        self._last = ""

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started_s

    def show(self, heading: str) -> None:
        if sys.stdout.isatty():
            print(f"\r\x1b[K{self.name:<40.40}  {self.seconds:6.1f} s  {heading:.60}", end="", flush=True)
        elif heading != self._last:
            print(f"{self.name:<40}  {self.seconds:6.1f} s  {heading}", flush=True)
        self._last = heading

    def end(self, word: str) -> None:
        start = "\r\x1b[K" if sys.stdout.isatty() else ""
        print(f"{start}{self.name:<40}  {self.seconds:6.1f} s  {word}", flush=True)


def run_notebook(path: Path, cell_timeout_s: int) -> NotebookRun:
    """Execute one notebook in a kernel of this interpreter, in the notebook's folder.

    Raises:
        KeyboardInterrupt: Ctrl-C; the kernel and the processes it started are gone by then.
    """
    import nbformat

    from workshop.notebooks.kernel import NotebookKernel

    notebook = nbformat.read(path, as_version=4)
    line = LiveLine(path.stem)
    kernel = NotebookKernel(notebook, path.parent, cell_timeout_s)
    kernel.start()
    try:
        while kernel.is_alive():
            kernel.join(REFRESH_S)
            line.show(
                heading_above(notebook.cells, kernel.cell_index)
                if kernel.cell_index >= 0
                else "the kernel starts"
            )
    finally:
        kernel.end()
    line.end("failed" if kernel.error else "ok")
    failure = _describe_failure(path, notebook, kernel) if kernel.error else None
    return NotebookRun(path=path, notebook=notebook, seconds=line.seconds, failure=failure)


def run_notebooks(settings: Settings, paths: list[Path], *, has_report: bool = True) -> list[NotebookRun]:
    """Execute notebooks in order until one fails; write each and the report as soon as it is done.

    Args:
        has_report: Whether these are what report.html shows from now on; else it stays as it is.
    """
    import nbformat

    from workshop.notebooks.report import write_report

    report_dir = settings.home / "report"
    report_dir.mkdir(parents=True, exist_ok=True)
    runs: list[NotebookRun] = []
    with _ending_what_it_started(settings.home / "sandbox"):
        for path in paths:
            runs.append(run_notebook(path, settings.cell_timeout_s))
            nbformat.write(runs[-1].notebook, report_dir / path.name)
            if has_report:
                write_report(report_dir / "report.html", runs, settings.mode)
            if runs[-1].failure:
                break
    return runs


@contextmanager
def _ending_what_it_started(home: Path) -> Iterator[None]:
    """End the AWS on this machine that the notebooks started; one that ran before stays."""
    did_run = local_aws.find(home) is not None
    try:
        yield
    finally:
        if not did_run:
            local_aws.stop(home)


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    interrupt_on_signals()
    try:
        settings = load_settings()
        paths = arguments.notebooks or choose_tracks(settings.repo_dir / "notebook", arguments.tracks)
        _check(paths)
        if arguments.list:
            print("\n".join(str(path) for path in paths))
            return 0
        runs = run_and_report(settings, paths)
    except WorkshopError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; no kernel is left running", file=sys.stderr)
        return 130
    return 1 if runs[-1].failure else 0


def interrupt_on_signals() -> None:
    """Let a terminal that closes or a supervisor that stops us end kernels just as Ctrl-C does."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)


def run_and_report(settings: Settings, paths: list[Path]) -> list[NotebookRun]:
    """Run notebooks; print their times, where the report is, and why the last one failed."""
    count = f"{len(paths)} notebook{'s' * (len(paths) != 1)}"
    print(f"mode {settings.mode}: {count}, results in {settings.home / 'report'}")
    runs = run_notebooks(settings, paths)
    print(_table(runs))
    report = settings.home / "report" / "report.html"
    print(f"report    {report}   ({report.stat().st_size / 1e6:.1f} MB, one file: open it, or mail it)")
    if runs[-1].failure:
        print(runs[-1].failure, file=sys.stderr)
    return runs


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m workshop.notebooks.run", description=__doc__.split("\n", 1)[0]
    )
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--notebooks", nargs="+", type=Path, metavar="PATH", help="only these, in this order")
    chosen.add_argument(
        "--tracks",
        nargs="+",
        default=DEFAULT_TRACKS,
        metavar="NUMBER",
        help="01 02 (default), 03 ... or all",
    )
    parser.add_argument("--list", action="store_true", help="print the notebooks in order and stop")
    return parser


def _check(paths: list[Path]) -> None:
    missing = [path for path in paths if not path.is_file()]
    if missing or not paths:
        raise WorkshopError(
            found=f"no notebook {missing[0]}" if missing else "no notebook under notebook/",
            expected="paths of .ipynb files",
            next_step="python -m workshop.notebooks.run --tracks all --list",
        )


def _describe_failure(path: Path, notebook: Any, kernel: Any) -> str:
    # nbclient's own text repeats the cell's source; its `traceback` is the error alone
    text = getattr(kernel.error, "traceback", None) or f"{type(kernel.error).__name__}: {kernel.error}"
    error = "\n".join(text.strip().splitlines()[-NUM_TRACEBACK_LINES:])
    if kernel.cell_index < 0:
        return f"\nfailed in {path} before its first cell: the kernel did not start\n\n{error}"
    source = "\n".join(f"    {line}" for line in notebook.cells[kernel.cell_index]["source"].splitlines())
    heading = heading_above(notebook.cells, kernel.cell_index)
    return f"\nfailed in {path} under the heading: {heading}\n\n{source}\n\n{error}"


def _table(runs: list[NotebookRun]) -> str:
    total_s = sum(one.seconds for one in runs)
    rows = [(one.path.stem, one.seconds, "failed" if one.failure else "ok") for one in runs]
    rows.append(("all", total_s, "failed" if runs[-1].failure else "ok"))
    return "\n" + "\n".join(f"{name:<40}  {seconds:7.1f} s  {word}" for name, seconds, word in rows)


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
