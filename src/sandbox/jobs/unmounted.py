"""A job whose /opt/ml could not be mounted may have left its results in this machine's."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from sandbox.container_paths import CONTAINER_ROOT, USE_INSTEAD, ContainerPaths


def lost(hosts: list[ContainerPaths], places: Sequence[str], what: str, *, since_s: float) -> str | None:
    """Return why a job that succeeded has failed: it left nothing, and this machine's /opt/ml has changed.

    Args:
        hosts: Folders of the job.
        places: Paths in the container, one of which it should have written to; none when it need not.
        what: What they are to the job, for example "model folder".
        since_s: When its programs began, in seconds since the epoch.
    """
    has_left = any(paths.view or _has_entries(paths.local(place)) for paths in hosts for place in places)
    changed = None if has_left or not places else next(_changed(CONTAINER_ROOT, since_s), None)
    if changed is None:
        return None
    return (
        f"AlgorithmError: The job left nothing in its {what}, and {changed} of this machine was written while"
        f" it ran. Expected: files in the job's own {' or '.join(places)}. Do next: {USE_INSTEAD}"
    )


def _has_entries(folder: os.PathLike[str]) -> bool:
    return os.path.isdir(folder) and any(os.scandir(folder))


def _changed(folder: str, since_s: float) -> Iterator[str]:
    """Yield what below a folder was made or changed since then, files before the folders that hold them."""
    for place, _, names in os.walk(folder, topdown=False):
        for path in (*(os.path.join(place, name) for name in names), place):
            try:
                if os.lstat(path).st_ctime >= since_s:
                    yield path
            except OSError:  # removed meanwhile
                continue
