"""A folder of a job that S3 keeps up with: while the job runs, and at its end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from sandbox.s3_files import S3Files, files_below

POLL_S = 1.0


class SyncedFolder:
    """A folder of a job, kept in S3.

    A file is uploaded when two looks found it the same, in the order in which the files were written last:
    what a training script writes last to say that a checkpoint is complete is also uploaded last. What is
    removed here stays in S3, as on AWS.

    Args:
        folder: The folder; made by `prepare`.
        uri: Where it is kept, with a slash at its end.
        s3: S3; used from a thread of its own, too.
        is_fetched: What is in S3 comes into the folder before the job.
        behind: Returns the file that is to be read for one of the folder, which may be a link; None leaves
            it out.
    """

    def __init__(
        self,
        folder: Path,
        uri: str,
        s3: S3Files,
        *,
        is_fetched: bool = False,
        behind: Callable[[Path], Path | None] = lambda path: path,
    ) -> None:
        self._folder, self._uri, self._s3, self._is_fetched = folder, uri, s3, is_fetched
        self._behind = behind
        self._seen: dict[str, tuple[int, int]] = {}
        self._uploaded: dict[str, tuple[int, int]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="synced folder", daemon=True)

    def prepare(self) -> None:
        """Make the folder, and fetch what is in S3 if it is to be fetched.

        Raises:
            S3Error: S3 refuses, or a key cannot be a file.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._is_fetched:
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
                logging.getLogger("sandbox").exception("%s was not uploaded", self._uri)

    def _look(self) -> dict[str, tuple[int, int]]:
        found = {}
        if self._behind(self._folder) is None:  # the program has put a link in its place
            return found
        for path in files_below(self._folder, self._behind):
            try:
                source = self._behind(path)
                facts = source.stat() if source else None
            except OSError:  # removed meanwhile
                continue
            if facts is None:  # a link now
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
                if source := self._behind(self._folder / name):
                    self._s3.upload(source, self._uri + name)
            except FileNotFoundError:  # a checkpoint that was rotated away
                continue
            self._uploaded[name] = facts
