"""/opt/ml without root and without a mount: a container's paths are a folder's, in both directions."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

CONTAINER_ROOT = "/opt/ml"
# As a path of its own: not in s3://bucket/opt/ml, not in /opt/mlx.
_AS_A_PATH = re.compile(r"(?<![\w.-])/opt/ml(?![\w.-])")
_SAFE = re.compile(r"[\w./+-]+", re.ASCII)


class ContainerPaths:
    """The folder that is /opt/ml in one container, under a short name of its own.

    The name is a link below the system's temporary folder: it holds neither spaces nor quotes, which the
    SDK's shell scripts do not expect, and leaves room for socket names, which may have 104 characters.

    Args:
        folder: The folder itself; made if need be.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder.resolve()
        base = tempfile.gettempdir()
        self.scratch = Path(tempfile.mkdtemp(prefix="sm-", dir=base if _SAFE.fullmatch(base) else "/tmp"))
        self.root = self.scratch / "ml"
        self.root.symlink_to(self.folder)
        self.tmp = self.scratch / "tmp"
        self.tmp.mkdir()
        # Programs also see where the link leads; macOS has two names for its temporary folder.
        names = {str(self.root), str(self.folder), str(folder), str(self.scratch.resolve() / "ml")}
        self._ours = re.compile("(?:" + "|".join(map(re.escape, names)) + r")(?![\w.-])")

    def inside(self, text: str) -> str:
        """Return a text with every /opt/ml replaced, for the process."""
        return _AS_A_PATH.sub(str(self.root), text) if CONTAINER_ROOT in text else text

    def outside(self, text: str) -> str:
        """Return a text of the process with /opt/ml again, for logs and reasons."""
        return self._ours.sub(CONTAINER_ROOT, text)

    def local(self, path: str) -> Path:
        """Return where a path below /opt/ml lies.

        Raises:
            ValueError: It is not below /opt/ml.
        """
        below = Path(path).relative_to(CONTAINER_ROOT)
        if ".." in below.parts:
            raise ValueError(f"{path!r} leaves {CONTAINER_ROOT}")
        return self.folder / below

    def remove(self) -> None:
        """Remove the link and the temporary files; the folder stays."""
        shutil.rmtree(self.scratch, ignore_errors=True)
