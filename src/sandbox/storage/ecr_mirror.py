"""ECR's repositories on disk: moto keeps them in memory, and a pushed image has to outlive the process.

FOLDER/REGION/NAME.json   a repository: its tags, its images with their manifests, which layers it has
FOLDER/blobs/DIGEST       a layer or an image's configuration, once however many repositories have it

Not kept: policies, scans and their configuration, uploads that were not completed.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from processes.files import atomic_write
from sandbox.storage.file_names import stem_of
from sandbox.storage.quarantine import quarantine


class EcrMirror:
    """The copy of every repository below a folder.

    Args:
        folder: Made with the first repository.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._lock = folder, threading.Lock()

    def restore(self, restore: Callable[[str, dict[str, Any]], None]) -> None:
        """Give region and content of every repository that was kept; what is not read is quarantined."""
        for path in sorted(self._folder.glob("*/*.json")):
            try:
                restore(path.parent.name, json.loads(path.read_text(encoding="utf-8")))
            except (ValueError, LookupError, TypeError, AttributeError) as problem:
                quarantine(path, problem)

    def keep(self, region: str, repository: dict[str, Any], blobs: Mapping[str, bytes]) -> None:
        """Write a repository, and what its newest layers hold.

        Args:
            blobs: Bytes by digest; no other thread can take them for layers that nobody has.

        Raises:
            OSError: It cannot be written.
        """
        path = self._path(region, repository["name"])
        with self._lock:
            for digest, content in blobs.items():
                self._blob(digest).parent.mkdir(parents=True, exist_ok=True)
                atomic_write(self._blob(digest), content)
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(path, json.dumps(repository, ensure_ascii=False, indent=1))

    def remove(self, region: str, name: str) -> None:
        """Remove a repository, and the layers that no other has."""
        with self._lock:
            self._path(region, name).unlink(missing_ok=True)
            kept = [json.loads(path.read_text(encoding="utf-8")) for path in self._folder.glob("*/*.json")]
            used = {quote(digest, safe="") for repository in kept for digest in repository["layers"]}
            for path in self._folder.glob("blobs/*"):
                if path.name not in used:
                    path.unlink(missing_ok=True)

    def kept(self, region: str, name: str) -> dict[str, Any] | None:
        """Return a repository as it was kept last, None when it was not."""
        path = self._path(region, name)
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    def blob(self, digest: str) -> bytes | None:
        """Return the bytes of a layer, None when there is none of this digest."""
        path = self.path_of(digest)
        return path.read_bytes() if path else None

    def path_of(self, digest: str) -> Path | None:
        """Return the file of a layer, None when there is none of this digest."""
        path = self._blob(digest)
        return path if path.is_file() else None

    def _path(self, region: str, name: str) -> Path:
        return self._folder / region / f"{stem_of(name)}.json"

    def _blob(self, digest: str) -> Path:
        return self._folder / "blobs" / quote(digest, safe="")
