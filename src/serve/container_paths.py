"""/opt/ml of a container that runs without a mount: where its files lie, and what is shown of them."""

from __future__ import annotations

import re
from pathlib import Path

CONTAINER_ROOT = "/opt/ml"
MODEL_DIR = "/opt/ml/model"
# The folder that is /opt/ml; set by what starts the server in place of a container.
VARIABLE = "SERVE_OPT_ML_DIR"


class ContainerPaths:
    """The container's paths in both directions; they are the machine's own where nothing stands for them.

    Args:
        folder: What VARIABLE says; "" for a container with a mount, and outside of one.
    """

    def __init__(self, folder: str = "") -> None:
        self._folder = Path(folder or CONTAINER_ROOT)
        # Whoever asks the system for the name of a file gets the one without links.
        names = {str(self._folder), str(self._folder.resolve())} if folder else set()
        self._ours = re.compile("(?:" + "|".join(map(re.escape, sorted(names))) + r")(?![\w.-])")
        self._is_elsewhere = bool(names - {CONTAINER_ROOT})

    def shown(self, text: str) -> str:
        """Return a text as its reader knows the paths in it."""
        return self._ours.sub(CONTAINER_ROOT, text) if self._is_elsewhere else text

    def local(self, path: str) -> Path:
        """Return where the file of a container's path lies."""
        found = Path(path)
        if self._is_elsewhere and found.is_relative_to(CONTAINER_ROOT):
            return self._folder / found.relative_to(CONTAINER_ROOT)
        return found
