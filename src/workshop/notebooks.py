"""The workshop's notebooks: which there are, in which order they run, and what their cells are about."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

NUMBER = re.compile(r"^(\d+)(?:-(\d+)(?=-))?-")
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*$", re.MULTILINE)


def list_notebooks(notebook_dir: Path) -> list[Path]:
    """Return every notebook below a folder, in the order in which they are meant to run."""
    found = [path for path in notebook_dir.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts]
    return sorted(found, key=lambda path: order_key(path.relative_to(notebook_dir)))


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
