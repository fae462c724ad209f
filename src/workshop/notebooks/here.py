"""Where a notebook stands among the others: one line of links at its top, written by `make tables`.

Links and no picture: they lead on, every editor and screen reader has them, and a new notebook changes words
of the others, not a file for each.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from workshop.notebooks.order import NUMBER, list_tracks

_TITLE = re.compile(r"^# (?:\d+(?:-\d+)?\. )?(.+?) · (.+)$", re.MULTILINE)
_OPTION = re.compile(r"^선택: | \(선택\)$|^Option: | \(optional\)$")


def track_line(notebook_dir: Path, name: str) -> str:
    """Return the tracks, and the notebooks of this one's track in a row, the one at hand without a link.

    Args:
        name: The notebook's, without .ipynb.

    Raises:
        LookupError: There is no such notebook.
    """
    tracks = list_tracks(notebook_dir)
    path = next((one for paths in tracks.values() for one in paths if one.stem == name), None)
    if path is None:
        raise LookupError(name)
    shown = [
        f"**{number}**" if path in paths else f"[{number}]({_from(path, paths[0])})"
        for number, paths in tracks.items()
    ]
    row = next(paths for paths in tracks.values() if path in paths)
    steps = [_step(one, path) for one in row]
    return f"트랙 {' '.join(shown)} · {' → '.join(steps)}"


def _step(one: Path, here: Path) -> str:
    number = "-".join(part for part in NUMBER.match(one.name).groups() if part)
    korean, english = _titles(one)
    if one == here:
        return f"**{number} {korean}**"
    return f'[{number} {korean}]({_from(here, one)} "{english}")'


def _from(here: Path, target: Path) -> str:
    return Path(os.path.relpath(target, here.parent)).as_posix()


def _titles(path: Path) -> tuple[str, str]:
    """Return a notebook's Korean and English title, without its number."""
    first = json.loads(path.read_text(encoding="utf-8"))["cells"][0]
    korean, english = _TITLE.search("".join(first["source"])).groups()
    return _OPTION.sub("", korean), _OPTION.sub("", english).replace('"', "'")
