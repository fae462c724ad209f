"""Measure what the texts tell people to expect, and write it into them.

    python -m workshop.figures            run every notebook, keep the figures, write the texts (make figures)
    python -m workshop.figures --write    write the texts from the figures that are kept (make tables)
    python -m workshop.figures --check    name the texts that say something else; exit code 1 if there are any

One class of processor may stand in for another, as far as its libraries allow; the entry says so:

    ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 CT2_FORCE_CPU_ISA=AVX2 make figures

The run has a home of its own, .workshop/figures, which begins empty: figures are those of a first run.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys

from workshop.aws import local as local_aws
from workshop.errors import WorkshopError
from workshop.figures.placeholders import Figures
from workshop.figures.processor import Processor, this_processor
from workshop.figures.record import FILE_NAME, Run, write_run
from workshop.notebooks.order import ALL_TRACKS, choose_tracks
from workshop.notebooks.run import interrupt_on_signals, run_and_report
from workshop.settings import FIELD_TYPES, PREFIX, Settings, find_repo_dir, load_settings
from workshop.state import State

IDLE_LOAD = 0.5
"""Busy cores in the minute before, above which times are said to be too long."""


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    interrupt_on_signals()
    try:
        figures = Figures(find_repo_dir())
        if arguments.check:
            return _check(figures)
        if not arguments.write:
            figures.stale()  # a placeholder that cannot be filled is better known now than after the run
            if not _measure():
                return 1
            figures = Figures(figures.repo_dir)
        for path in figures.write():
            print(f"written   {path.relative_to(figures.repo_dir)}")
    except WorkshopError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; nothing was recorded, and no kernel is left running", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m workshop.figures", description=__doc__.split("\n", 1)[0])
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--write", action="store_true", help="write the texts only, without a run")
    chosen.add_argument("--check", action="store_true", help="name the texts that say something else")
    return parser


def _check(figures: Figures) -> int:
    stale = figures.stale()
    for path in stale:
        print(f"{path.relative_to(figures.repo_dir)}: not what {FILE_NAME} says; run: make tables")
    return 1 if stale else 0


def _measure() -> bool:
    """Run every notebook and keep the figures; False when one failed."""
    processor = this_processor()
    settings = _own_home()
    load_before = os.getloadavg()[0]
    _tell(processor, load_before)
    runs = run_and_report(settings, choose_tracks(settings.repo_dir / "notebook", [ALL_TRACKS]))
    if runs[-1].failure:
        print("\nnothing was recorded: a notebook failed", file=sys.stderr)
        return False
    notebook_s = {one.path.stem: one.seconds for one in runs}
    run = Run.of_state(State.load(settings), processor, notebook_s, load_before=load_before)
    path = settings.repo_dir / "notebook" / FILE_NAME
    write_run(path, processor.kind, run)
    print(f"recorded  {processor.kind} in {path.relative_to(settings.repo_dir)}")
    return True


def _own_home() -> Settings:
    """Return the settings of sample mode as the repository has them, in an empty home."""
    changed = [PREFIX + name.upper() for name in FIELD_TYPES if PREFIX + name.upper() in os.environ]
    if changed:
        raise WorkshopError(
            found=f"{', '.join(changed)} in the environment",
            expected="figures of the settings in workshop.yaml",
            next_step=f"unset {' '.join(changed)}",
        )
    os.environ["WORKSHOP_MODE"] = "sample"
    home = load_settings().workshop_home / "figures"
    os.environ["WORKSHOP_HOME"] = str(home)  # for the kernels
    settings = load_settings()
    local_aws.stop(settings.home / "sandbox")  # of a run that was killed
    shutil.rmtree(home, ignore_errors=True)
    return settings


def _tell(processor: Processor, load_before: float) -> None:
    masked = ", ".join(f"{name}={value}" for name, value in processor.masked_by.items())
    print(f"processor {processor.model}, {processor.num_cores} cores: {processor.kind}")
    if masked:
        print(f"masked by {masked}")
    if load_before >= IDLE_LOAD:
        print(f"note      other work keeps {load_before:.1f} cores busy: times will be too long")


if __name__ == "__main__":
    sys.exit(main())
