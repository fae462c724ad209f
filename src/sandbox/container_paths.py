"""A container's /opt/ml: a folder that its programs find there, or, where no mount is allowed, by its name.

Linux with mount namespaces has the first (`processes.container_view`): the literal /opt/ml of a script or a
file is the container's, and no text is changed. Elsewhere (macOS, most Docker containers, Ubuntu where it
restricts user namespaces) /opt/ml is replaced in what the sandbox hands over, and put back in what it reads.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from processes.container_view import ROOT as CONTAINER_ROOT
from processes.container_view import ContainerView

WITHOUT_MOUNTS_VARIABLE = "SANDBOX_WITHOUT_MOUNTS"  # any text: names are replaced although mounts work
USE_INSTEAD = (
    "take the paths from arguments, hyperparameters or variables (SM_MODEL_DIR), where they are replaced, or"
    " run the sandbox where mounts are allowed (src/sandbox/README.md, Which programs run)."
)
# As a path of its own: not in s3://bucket/opt/ml, not in /opt/mlx.
_AS_A_PATH = re.compile(r"(?<![\w.-])/opt/ml(?![\w.-])")
_MAX_LINKS = 40  # as many as Linux follows
_SAFE = re.compile(r"[\w./+-]+", re.ASCII)


class ContainerPaths:
    """The folder that is /opt/ml in one container.

    Where it is not mounted it has a short name of its own, a link below the system's temporary folder: that
    holds neither spaces nor quotes, which the SDK's shell scripts do not expect, and leaves room for socket
    names, which may have 104 characters.

    Args:
        folder: The folder itself; made if need be.
        host_names: Names that are this machine in the container, where it is mounted.

    `root` is the folder's name for programs, `view` what they are started in (None: without a mount) and
    `tmp` a temporary folder beside it.
    """

    def __init__(self, folder: Path, *, host_names: Sequence[str] = ()) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder.resolve()
        base = tempfile.gettempdir()
        self.scratch = Path(tempfile.mkdtemp(prefix="sm-", dir=base if _SAFE.fullmatch(base) else "/tmp"))
        self.tmp = self.scratch / "tmp"
        self.tmp.mkdir()
        self.view: ContainerView | None = None
        if why_no_mounts() is None:
            self.root = Path(CONTAINER_ROOT)
            kept = (os.path.realpath(sys.prefix), os.path.realpath(self.scratch))
            self.view = ContainerView(self.folder, kept=kept, host_names=host_names)
            return
        self.root = self.scratch / "ml"
        self.root.symlink_to(self.folder)
        # Programs also see where the link leads; macOS has two names for its temporary folder.
        names = {str(self.root), str(self.folder), str(folder), str(self.scratch.resolve() / "ml")}
        self._ours = re.compile("(?:" + "|".join(map(re.escape, names)) + r")(?![\w.-])")

    def inside(self, text: str) -> str:
        """Return a text as the process shall have it: without a mount every /opt/ml is replaced."""
        if self.view or CONTAINER_ROOT not in text:
            return text
        return _AS_A_PATH.sub(str(self.root), text)

    def outside(self, text: str) -> str:
        """Return a text of the process for logs and reasons: with /opt/ml again where it was replaced."""
        return text if self.view else self._ours.sub(CONTAINER_ROOT, text)

    @property
    def warning(self) -> str | None:
        """What a container's log begins with where /opt/ml is not mounted."""
        if self.view:
            return None
        return (
            f"[sandbox] WARNING: {CONTAINER_ROOT} is {self.root} in this container, since {why_no_mounts()}."
            f" A script or a file that names {CONTAINER_ROOT} itself means this machine's: {USE_INSTEAD}"
        )

    def name_of(self, path: Path) -> str:
        """Return what the process calls a file of the folder."""
        return str(self.root / path.relative_to(self.folder))

    def local(self, path: str) -> Path:
        """Return where a path below /opt/ml lies.

        Raises:
            ValueError: It is not below /opt/ml.
        """
        below = Path(path).relative_to(CONTAINER_ROOT)
        if ".." in below.parts:
            raise ValueError(f"{path!r} leaves {CONTAINER_ROOT}")
        return self.folder / below

    def behind(self, path: Path) -> Path:
        """Return what a file of the folder is on this machine: its links may name /opt/ml."""
        for _ in range(_MAX_LINKS):
            if not self.view or not path.is_symlink():
                break
            target = os.path.normpath(path.parent / os.readlink(path))
            is_ours = target.startswith(f"{CONTAINER_ROOT}/")
            path = self.folder / Path(target).relative_to(CONTAINER_ROOT) if is_ours else Path(target)
        return path

    def remove(self) -> None:
        """Remove the link and the temporary files; the folder stays."""
        shutil.rmtree(self.scratch, ignore_errors=True)


@cache
def why_no_mounts() -> str | None:
    """Return why nothing can be mounted for a program here; None when it can, as one program has shown."""
    if os.environ.get(WITHOUT_MOUNTS_VARIABLE):
        return f"{WITHOUT_MOUNTS_VARIABLE} is set"
    with tempfile.TemporaryDirectory(prefix="sm-") as folder:
        try:
            view = ContainerView(folder)
            status = view.start(["/bin/sh", "-c", f"test {CONTAINER_ROOT} -ef . && touch tried"]).wait()
        except OSError as error:
            return f"nothing can be mounted ({error.strerror})"
        if status != 0 or not Path(folder, "tried").exists():
            return "what was mounted is not what a program found"
    return None
