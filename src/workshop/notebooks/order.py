"""The workshop's notebooks: which there are, in which order they run, and what their cells are about."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workshop.errors import WorkshopError

DEFAULT_TRACKS = ("01", "02")
"""What `make sample` runs: from raw news to a model that answers. Later tracks are asked for by name."""
ALL_TRACKS = "all"

NUMBER = re.compile(r"^(\d+)(?:-(\d+)(?=-))?-")
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*$", re.MULTILINE)


def list_notebooks(notebook_dir: Path) -> list[Path]:
    """Return every notebook below a folder, in the order in which they are meant to run."""
    found = [path for path in notebook_dir.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts]
    return sorted(found, key=lambda path: order_key(path.relative_to(notebook_dir)))


def list_tracks(notebook_dir: Path) -> dict[str, list[Path]]:
    """Return the notebooks by track, in order: the number of a folder, or of a lone notebook."""
    tracks: dict[str, list[Path]] = {}
    for path in list_notebooks(notebook_dir):
        top = path.relative_to(notebook_dir).parts[0]
        match = NUMBER.match(top)
        tracks.setdefault(match[1] if match else Path(top).stem, []).append(path)
    return tracks


def choose_tracks(notebook_dir: Path, names: Sequence[str]) -> list[Path]:
    """Return the notebooks of some tracks in the order in which they run, whatever the order of the names.

    Args:
        notebook_dir: The folder that holds the tracks.
        names: Numbers of tracks ("3" is "03"), or `all`.

    Raises:
        WorkshopError: A track that is not there; the message names those that are.
    """
    tracks = list_tracks(notebook_dir)
    wanted = [name.zfill(2) if name.isdecimal() else name for name in names]
    unknown = [name for name in wanted if name not in (*tracks, ALL_TRACKS)]
    if unknown or not wanted:
        known = ", ".join(tracks) or f"none under {notebook_dir}"
        raise WorkshopError(
            found=f"no track {unknown[0]}" if unknown else "no track",
            expected=f"one or more of: {known}; or {ALL_TRACKS}",
            next_step=f"make sample TRACK={ALL_TRACKS}   (or TRACK={next(iter(tracks), '01')}; "
            'several in quotes: TRACK="01 02")',
        )
    return [path for name, paths in tracks.items() if {name, ALL_TRACKS} & set(wanted) for path in paths]


def order_key(relative_path: Path) -> list[tuple[tuple[int, ...], str]]:
    """Sort by the numbers in front of folder and file names, so that 03 precedes 03-1, and 9 precedes 10."""
    key = []
    for part in relative_path.parts:
        match = NUMBER.match(part)
        key.append((tuple(int(number) for number in match.groups() if number) if match else (10**9,), part))
    return key


def heading_above(cells: Sequence[Mapping[str, Any]], index: int) -> str:
    """Return the last heading at or before a cell, without its # signs; "" before the first heading."""
    for cell in reversed(cells[: index + 1]):
        if cell["cell_type"] == "markdown":
            headings = HEADING.findall(cell["source"])
            if headings:
                return headings[-1]
    return ""
