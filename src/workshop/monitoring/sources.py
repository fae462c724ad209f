"""The folder that is sent to the monitors' processing job: score.py, what it imports, and the tuning texts.

    sources = monitoring_sources(settings.home / "monitoring")
    processor.run(code=str(sources.score), source_dir=str(sources.folder), ...)

As `workshop.pipeline.sources`, whose functions make it. The held-out texts are not sent: no score may use
them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from workshop.pipeline.sources import REQUIREMENTS, imported_by, shipped_folder

SCRIPT = "score.py"

_DIR = Path(__file__).resolve().parent
_SRC_DIR = _DIR.parents[1]
_OTHER_FILES = (
    "workshop/monitoring/thresholds.yaml",
    "workshop/monitoring/known.yaml",
    "sample/monitoring/tuning.jsonl",
)


@dataclass(frozen=True, kw_only=True)
class MonitoringSources:
    """A folder to ship.

    Attributes:
        folder: `source_dir` of the SDK's FrameworkProcessor; it holds a requirements.txt.
        digest: Hexadecimal, of all files with their names.
    """

    folder: Path
    digest: str

    @property
    def score(self) -> Path:
        return self.folder / SCRIPT


def monitoring_sources(parent: Path) -> MonitoringSources:
    """Make the folder to ship below `parent`, unless one of the same content is there."""
    files = {name: _DIR / name for name in (SCRIPT, REQUIREMENTS)}
    files |= {name: _SRC_DIR / name for name in _OTHER_FILES}
    files |= imported_by([_DIR / SCRIPT])
    folder, digest = shipped_folder(parent, files)
    return MonitoringSources(folder=folder, digest=digest)
