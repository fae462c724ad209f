"""Print the cells that a presenter waits for, longest first: of the last `make sample` on this machine.

    .venv/bin/python -m workshop.notebooks.stopwatch --above 2
    .venv/bin/python -m workshop.notebooks.stopwatch --silent 5      those where nothing moved for so long

From the notebooks that it left, whose cells carry the times of the kernel's messages. "still" is the longest
time without anything new on screen but the clock of view/clock.py, "frozen" that without even a tick of it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from workshop.errors import WorkshopError
from workshop.notebooks.order import heading_above
from workshop.notebooks.report import cell_seconds, cell_silence_s
from workshop.settings import load_settings

ABOVE_S = 2.0


@dataclass(frozen=True, kw_only=True)
class SlowCell:
    """A cell, by its notebook's name, the heading above it and the number that Jupyter shows beside it.

    Args:
        seconds: From its start to its end.
        silent_s: The longest part of it without new output; None where nobody watched it.
        frozen_s: The longest part without even a tick of the clock.
    """

    notebook: str
    heading: str
    number: int
    seconds: float
    silent_s: float | None
    frozen_s: float | None


def slow_cells(report_dir: Path, above_s: float, silent_s: float = 0.0) -> list[SlowCell]:
    """Return the cells of a folder's executed notebooks that took longer, longest first.

    Args:
        silent_s: Of these, those that showed nothing new for as long.

    Raises:
        WorkshopError: No notebook is there.
    """
    paths = sorted(report_dir.glob("*.ipynb"))
    if not paths:
        raise WorkshopError(
            found=f"no executed notebook in {report_dir}",
            expected="what `make sample` leaves there",
            next_step="make sample   (TRACK=all for every notebook)",
        )
    cells = [
        cell
        for path in paths
        for cell in _cells(path)
        if cell.seconds > above_s and (cell.silent_s or 0.0) >= silent_s
    ]
    return sorted(cells, key=lambda cell: -cell.seconds)


def _cells(path: Path) -> Iterator[SlowCell]:
    import nbformat

    cells = nbformat.read(path, as_version=4).cells
    for index, cell in enumerate(cells):
        if cell.cell_type == "code" and cell.execution_count:
            yield SlowCell(
                notebook=path.stem,
                heading=heading_above(cells, index),
                number=cell.execution_count,
                seconds=cell_seconds(cell),
                silent_s=cell_silence_s(cell),
                frozen_s=cell.metadata.get("workshop", {}).get("frozen_s"),
            )


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; exit status 2 when there is nothing to look at."""
    parser = argparse.ArgumentParser(prog="python -m workshop.notebooks.stopwatch", description=main.__doc__)
    parser.add_argument(
        "--above", type=float, default=ABOVE_S, metavar="SECONDS", help="default: %(default)s"
    )
    parser.add_argument("--silent", type=float, default=0.0, metavar="SECONDS", help="default: all of them")
    options = parser.parse_args(argv)
    try:
        cells = slow_cells(load_settings().home / "report", options.above, options.silent)
    except WorkshopError as error:
        print(error, file=sys.stderr)
        return 2
    for cell in cells:
        parts = (
            "     -" if one is None else f"{one:6.1f}" for one in (cell.seconds, cell.silent_s, cell.frozen_s)
        )
        print(
            "{} s  still {} s  frozen {} s".format(*parts),
            f" {cell.notebook} [{cell.number}]  {cell.heading}",
        )
    print(
        f"{len(cells)} cells above {options.above:g} s, {sum(cell.seconds for cell in cells):.0f} s of them"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
