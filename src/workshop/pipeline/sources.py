"""The folder that is sent to the pipeline's processing jobs: both scripts and what they import, nothing else.

    sources = pipeline_sources(settings.home / "pipeline")
    name = f"news-prepare-{sources.digest}"
    processor.run(code=str(sources.prepare), source_dir=str(sources.folder), job_name=name, ...)

A script finds the modules beside itself: Python looks first in the folder of the script that it runs. The
name has the content's digest, since SageMaker's cache compares the address of the code: the SDK uploads it
below that name, and one of its own making has the time in it.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from modulefinder import ModuleFinder
from pathlib import Path

SCRIPTS = ("prepare.py", "evaluate.py")
REQUIREMENTS = "requirements.txt"

_SRC_DIR = Path(__file__).resolve().parents[2]
_PIPELINE_DIR = Path(__file__).resolve().parent
_OTHER_FILES = ("train/chat_template.jinja",)  # prompt.py reads it by its place
# The repository's own news: a job reads rows that were uploaded.
_LEFT_OUT = ["sample"]
_NUM_DIGEST_CHARS = 12


@dataclass(frozen=True, kw_only=True)
class Sources:
    """A folder to ship.

    Attributes:
        folder: `source_dir` of the SDK's FrameworkProcessor; it holds a requirements.txt.
        digest: Hexadecimal, of all files with their names.
    """

    folder: Path
    digest: str

    @property
    def prepare(self) -> Path:
        return self.folder / "prepare.py"

    @property
    def evaluate(self) -> Path:
        return self.folder / "evaluate.py"


def pipeline_sources(parent: Path) -> Sources:
    """Make the folder to ship below `parent`, unless one of the same content is there."""
    files = {script: _PIPELINE_DIR / script for script in (*SCRIPTS, REQUIREMENTS)}
    files |= {name: _SRC_DIR / name for name in _OTHER_FILES}
    files |= imported_by([_PIPELINE_DIR / script for script in SCRIPTS], left_out=_LEFT_OUT)
    folder, digest = shipped_folder(parent, files)
    return Sources(folder=folder, digest=digest)


def shipped_folder(parent: Path, files: Mapping[str, Path]) -> tuple[Path, str]:
    """Make a folder of these files below `parent`, unless one of the same content is there.

    Args:
        files: Name in the folder -> the file that is copied.

    Returns:
        The folder and the digest that its name ends in.
    """
    content = hashlib.sha256()
    for name, path in sorted(files.items()):
        content.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    digest = content.hexdigest()[:_NUM_DIGEST_CHARS]
    shipped = parent / f"sources-{digest}"
    if not shipped.is_dir():
        parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=parent, prefix=".sources-") as folder:
            made = Path(folder) / "made"
            for name, path in files.items():
                (made / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, made / name)
            made.rename(shipped)
    return shipped, digest


def imported_by(scripts: Sequence[Path], *, left_out: Sequence[str] = ()) -> dict[str, Path]:
    """Return the files of all modules of ours that scripts import, wherever in the code, by their place."""
    finder = ModuleFinder(path=[str(_SRC_DIR)], excludes=list(left_out))
    for script in scripts:
        finder.run_script(str(script))
    found = {Path(module.__file__) for module in finder.modules.values() if module.__file__}
    return {path.relative_to(_SRC_DIR).as_posix(): path for path in sorted(found - set(scripts))}
