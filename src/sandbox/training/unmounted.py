"""A job whose /opt/ml could not be mounted may have left its model in this machine's."""

from __future__ import annotations

import os
from collections.abc import Iterator

from sandbox.container_paths import CONTAINER_ROOT, USE_INSTEAD, ContainerPaths


def lost_model(hosts: list[ContainerPaths], *, since_s: float) -> str | None:
    """Return why a job that succeeded has failed: it has no model, and this machine's /opt/ml has changed.

    Args:
        hosts: Folders of the job.
        since_s: When its programs began, in seconds since the epoch.
    """
    if any(paths.view or _has_entries(paths.folder / "model") for paths in hosts):
        return None
    changed = next(_changed(CONTAINER_ROOT, since_s), None)
    if changed is None:
        return None
    return (
        f"The job left nothing in its model folder, and {changed} of this machine was written while it ran."
        f" Expected: files in the job's own {CONTAINER_ROOT}/model. Do next: {USE_INSTEAD}"
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
