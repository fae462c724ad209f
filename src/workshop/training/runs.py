"""One name for all jobs of a training, kept before the first of them starts.

A cell that is executed again finds the job that it has started, even when the kernel was killed before AWS
answered, and starts nothing that costs twice. Another data set, recipe, script or instance is another run.

    run = keep_run(state, "training_run", base_name="news-train", notebook=NOTEBOOK, made_of={...})
    job_names = started_jobs(aws, run)      # [] the first time
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workshop.entries import RunState, now_utc
from workshop.training.job import OVER_TIME
from workshop.training.local_mode import finished_runs

if TYPE_CHECKING:
    from workshop.aws.session import Aws
    from workshop.state import State
    from workshop.training.job import FollowedJob


def keep_run(
    state: State, entry: str, *, base_name: str, notebook: str, made_of: Mapping[str, Any]
) -> RunState:
    """Return the recorded run of the same making, or record a new one and say what of it is another.

    Args:
        state: Of the mode; saved.
        entry: Name of the entry, for example "training_run".
        base_name: What the names of its jobs begin with.
        notebook: Name of the notebook that trains.
        made_of: All that makes the result another one, in values that JSON has; a Path is a file or a folder,
            whose content counts. Not the limits of a job: with others a run goes on where it was.
    """
    parts = {name: digest_of({name: value})[:16] for name, value in made_of.items()}
    told = " ".join(f"{name}:{digest}" for name, digest in sorted(parts.items()))
    kept = RunState(
        made_at=now_utc(),
        notebook=notebook,
        name=f"{base_name}-{time.strftime('%m%d-%H%M%S')}",
        request_sha256=told,
    )
    recorded = state.keep(entry, kept)
    if recorded.request_sha256 == told:
        return recorded
    before = recorded.request_sha256.split()
    changed = ", ".join(name for name, digest in parts.items() if f"{name}:{digest}" not in before)
    print(
        f"a new run, which trains from the beginning; that of {recorded.made_at} ({recorded.name}) was made "
        f"of other {changed or 'parts'}"
    )
    state.remove(entry)
    return state.keep(entry, kept)


def digest_of(made_of: Mapping[str, Any]) -> str:
    """Return the SHA-256 of all that makes a result another one; see `keep_run`."""
    told = json.dumps(made_of, sort_keys=True, default=_content, ensure_ascii=False)
    return hashlib.sha256(told.encode()).hexdigest()


def started_jobs(aws: Aws, run: RunState) -> list[str]:
    """Return the names of a run's jobs, the oldest first, without those that failed or ran out of time.

    A run of Local Mode is among them once it has ended well; what a killed kernel left the next one removes.
    """
    pages = (
        aws.client("sagemaker")
        .get_paginator("list_training_jobs")
        .paginate(NameContains=run.name, SortBy="CreationTime", SortOrder="Ascending")
    )
    jobs = [job for page in pages for job in page["TrainingJobSummaries"]]
    names = [
        job["TrainingJobName"]
        for job in jobs
        if job["TrainingJobStatus"] != "Failed" and job.get("SecondaryStatus") not in OVER_TIME
    ]
    return names + finished_runs(aws.settings, run.name)


def jobs_to_start(jobs: Sequence[FollowedJob], *, most: int, resume_stopped: bool) -> Iterator[int]:
    """Yield the number of each further job of a run, until it is at its last step.

    Only a job that ended by itself is followed by another: whoever stopped one wants no more of them.

    Args:
        jobs: Those that have ended, in order; the caller appends each further one.
        most: So many jobs at most, those that have ended included.
        resume_stopped: Go on once after a job that somebody stopped.
    """
    while len(jobs) < most:
        last = jobs[-1] if jobs else None
        if last and last.status != "Completed" and not resume_stopped:
            return
        if last and last.status == "Completed" and last.is_at_last_step:
            return
        resume_stopped = False
        yield len(jobs) + 1


def _content(path: Path) -> dict[str, str]:
    """Return the hash of a file, or of every file of a folder by its place."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return {
        str(file.relative_to(path)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
        if file.is_file() and not any(map(_is_left_behind, file.relative_to(path).parts))
    }


def _is_left_behind(part: str) -> bool:
    """Tell whether an editor, a file manager or Python made a file or folder of this name, and no person."""
    return part == "__pycache__" or part.startswith(".") or part.endswith("~")
