"""Run what comes before a notebook and leaves something for it, so that it opens ready: for whoever presents.

    python -m workshop.notebooks.upto 04                    of track 01, as `make upto N=04` does
    python -m workshop.notebooks.upto 02-1 --track 02       as `make upto N=02-1 TRACK=02` does

What is there already, made with these settings, is not made again. Optional notebooks are left out, since no
other reads what they leave. Exit code 0: the notebook may be opened; 1: one before it failed.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from workshop.errors import WorkshopError
from workshop.figures.processor import this_processor
from workshop.figures.record import FILE_NAME, read_runs
from workshop.notebooks.order import NUMBER, choose_tracks, list_notebooks
from workshop.notebooks.run import interrupt_on_signals, run_and_report
from workshop.settings import Settings, load_settings
from workshop.state import State

LEFT = {
    "01-Prepare-Dataset-KR-News": ("dataset",),
    "02-Train-Local-KR-News": ("model", "evaluation"),
    "03-SageMaker-Training": ("trained_model",),
}
"""Notebook -> what of the state later notebooks read. Other entries are of what runs, or of no later use."""
SETTINGS = ("news_source", "base_model", "recipe", "dataset_name")
"""Settings that entries record: where one has changed, what was made is of another request."""


def find_notebook(notebook_dir: Path, track: str, number: str, *, target: str = "upto") -> Path:
    """Return the notebook of a track by its number, for example "04", "4" or "03-1".

    Args:
        target: What was called with the number, for the message.

    Raises:
        WorkshopError: No such track, or no such number in it; the message names those that are.
    """
    paths = choose_tracks(notebook_dir, [track])
    by_number = {match[0].rstrip("-"): path for path in paths if (match := NUMBER.match(path.name))}
    wanted = re.sub(r"^(\d)(?!\d)", r"0\1", number)
    if wanted not in by_number:
        raise WorkshopError(
            found=f"no notebook {number or '(N is not set)'} in track {track}",
            expected=f"one of: {', '.join(by_number)}",
            next_step=f"make {target} N={next(reversed(by_number))} TRACK={track}",
        )
    return by_number[wanted]


def why_not_ready(state: State, settings: Settings, notebook: str) -> str:
    """Return what is missing of what a notebook leaves, or was made otherwise; "" when all of it is there."""
    for name in LEFT[notebook]:
        try:
            entry = getattr(state, name)
        except WorkshopError as error:
            return error.found
        for field in SETTINGS:
            wanted = getattr(settings, field)
            if (made := getattr(entry, field, wanted)) != wanted:
                return f"{name} of {field} {made}, and the settings have {wanted}"
    return ""


def plan(settings: Settings, paths: Sequence[Path]) -> list[tuple[Path, str]]:
    """Return the notebooks that have to run, each with the reason.

    What comes after one that runs is run, too: it may have read what is made anew. A notebook that finds its
    training as it was asked for does not repeat it.
    """
    state = State.load(settings)
    found: list[tuple[Path, str]] = []
    for path in paths:
        reason = why_not_ready(state, settings, path.stem)
        if reason or found:
            found.append((path, reason or f"{found[0][0].stem} runs before it"))
    return found


def expected_s(notebook_dir: Path, names: Sequence[str]) -> tuple[float, str]:
    """Return the seconds that notebooks took where they were measured, and the class of that processor.

    It is this machine's class, or else the slowest that was measured. 0.0 where nothing was.
    """
    runs = read_runs(notebook_dir / FILE_NAME)
    took = {kind: sum(run.notebook_s.get(name, 0.0) for name in names) for kind, run in runs.items()}
    here = this_processor().kind
    kind = here if here in took else max(took, key=took.__getitem__, default=here)
    return took.get(kind, 0.0), kind


def prepare(settings: Settings, target: Path) -> bool:
    """Run what is missing before a notebook and say what is ready; False when a notebook failed."""
    notebook_dir = settings.repo_dir / "notebook"
    every = list_notebooks(notebook_dir)
    before = [path for path in every[: every.index(target)] if path.stem in LEFT]
    missing = dict(plan(settings, before))
    for path in before:
        seconds, _ = expected_s(notebook_dir, [path.stem])
        print(f"{path.stem:<30} {f'{seconds:4.0f} s, {missing[path]}' if path in missing else 'is there'}")
    if missing:
        seconds, kind = expected_s(notebook_dir, [path.stem for path in missing])
        print(f"about {seconds:.0f} s, as measured on an idle processor with {kind} ({FILE_NAME})")
        if run_and_report(settings, list(missing))[-1].failure:
            return False
    state = State.load(settings)
    for name in (name for path in before for name in LEFT[path.stem]):
        print(f"ready     {name}, of {getattr(state, name).made_at}")
    print(f"open      {target.relative_to(settings.repo_dir)}   (make lab)")
    return True


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m workshop.notebooks.upto", description=__doc__.split("\n", 1)[0]
    )
    parser.add_argument("number", metavar="N", help="number of the notebook that is to open ready: 04, 03-1")
    parser.add_argument("--track", default="01", metavar="NUMBER", help="its track (default: 01)")
    arguments = parser.parse_args(argv)
    interrupt_on_signals()
    try:
        settings = load_settings()
        target = find_notebook(settings.repo_dir / "notebook", arguments.track, arguments.number)
        return 0 if prepare(settings, target) else 1
    except WorkshopError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; no kernel is left running, what is done is kept", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
