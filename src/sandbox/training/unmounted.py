"""What is said of a job where its /opt/ml could not be mounted: a script may have used this machine's."""

from __future__ import annotations

import os
from collections.abc import Iterator

from sandbox.container_paths import CONTAINER_ROOT, ContainerPaths, why_no_mounts

_USE_INSTEAD = (
    "take the paths from the job's hyperparameters, arguments or environment (SM_MODEL_DIR), where they are"
    " replaced, or run the sandbox where mounts are allowed (src/sandbox/README.md, Which programs run)."
)


def warning(paths: ContainerPaths) -> str:
    """Return the first line of the log of a job without a mount."""
    return (
        f"[sandbox] WARNING: {CONTAINER_ROOT} is {paths.root} for this job, since {why_no_mounts()}. A script"
        f" or a file that names {CONTAINER_ROOT} itself means this machine's {CONTAINER_ROOT}: {_USE_INSTEAD}"
    )


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
        f" Expected: files in the job's own {CONTAINER_ROOT}/model. Do next: {_USE_INSTEAD}"
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
