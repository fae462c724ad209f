"""Checkpoints: from S3 before the job, to S3 while it runs and at its end."""

from __future__ import annotations

import logging
import threading

from sandbox.container_paths import CONTAINER_ROOT, ContainerPaths
from sandbox.s3_files import S3Files, files_below

DEFAULT_LOCAL_PATH = f"{CONTAINER_ROOT}/checkpoints"
POLL_S = 1.0


class Checkpoints:
    """The checkpoint folder of a job, kept in S3.

    A file is uploaded when two looks found it the same, in the order in which the files were written last:
    what a training script writes last to say that a checkpoint is complete is also uploaded last. What is
    removed here stays in S3, as on AWS.

    Args:
        config: CheckpointConfig of the request.
        paths: The container's.
        s3: Where they are kept; used from a thread of its own, too.
    """

    def __init__(self, config: dict[str, str], paths: ContainerPaths, s3: S3Files) -> None:
        self._uri = config["S3Uri"].rstrip("/") + "/"
        self._folder = paths.local(config.get("LocalPath", DEFAULT_LOCAL_PATH))
        self._s3 = s3
        self._seen: dict[str, tuple[int, int]] = {}
        self._uploaded: dict[str, tuple[int, int]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="checkpoints", daemon=True)

    def download(self) -> None:
        """Fetch what is in S3."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._s3.download(self._uri, self._folder)
        self._uploaded = self._look()

    def watch(self) -> None:
        """Upload from now on, until `finish`."""
        self._thread.start()

    def finish(self) -> None:
        """Upload the rest; nothing writes any more."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        self._seen = self._look()
        self._upload()

    def _watch(self) -> None:
        while not self._ended.wait(POLL_S):
            try:
                self._upload()
            except Exception:
                # S3 or the folder changed under the upload: the next look, or the last one, tries again.
                logging.getLogger("sandbox").exception("checkpoints were not uploaded")

    def _look(self) -> dict[str, tuple[int, int]]:
        found = {}
        for path in files_below(self._folder):
            try:
                facts = path.stat()
            except OSError:  # removed meanwhile
                continue
            found[path.relative_to(self._folder).as_posix()] = (facts.st_size, facts.st_mtime_ns)
        return found

    def _upload(self) -> None:
        """Upload, in the order of writing, up to the first file that changed since the last look."""
        before, self._seen = self._seen, self._look()
        for name, facts in self._seen.items():
            if self._uploaded.get(name) == facts:
                continue
            if before.get(name) != facts:
                return
            try:
                self._s3.upload(self._folder / name, self._uri + name)
            except FileNotFoundError:  # a checkpoint that was rotated away
                continue
            self._uploaded[name] = facts
