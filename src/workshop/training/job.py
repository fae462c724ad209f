"""A training that has ended, wherever it ran: as a job on SageMaker or in Local Mode's container."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

OVER_TIME = ("MaxRuntimeExceeded", "MaxWaitTimeExceeded")
"""Secondary statuses of a job that AWS stopped at its limit, as if it had failed."""


@dataclass(frozen=True, kw_only=True)
class FollowedJob:
    """What is known of a training that has ended.

    Attributes:
        job_name: Training job, or run of Local Mode.
        arn: "" in Local Mode.
        status: "Completed", or "Stopped" when somebody stopped it.
        seconds: Training time as AWS counts it.
        billable_seconds: What AWS charges, for each instance.
        status_seconds: Seconds by secondary status, for example {"Downloading": 4.2}.
        records: The progress lines, in order.
        phases: Seconds by part of the script's run.
        lines: The last lines of the log that were no progress lines.
        model_uri: S3 address of what it left; "" when there is nothing.
        log_path: Everything that it printed.
    """

    job_name: str
    arn: str
    status: str
    seconds: float
    billable_seconds: float
    status_seconds: dict[str, float]
    records: list[dict[str, float]]
    phases: dict[str, float]
    lines: list[str]
    model_uri: str
    log_path: Path

    @property
    def is_at_last_step(self) -> bool:
        """Whether it trained to the end of what it was asked for; no progress line, no step."""
        return bool(self.records) and self.records[-1]["step"] == self.records[-1]["num_steps"]

    @property
    def steps_text(self) -> str:
        """Return which of all steps this training did."""
        if not self.records:
            return "no step"
        first, last = self.records[0], self.records[-1]
        return f"steps {first['step']:,} to {last['step']:,} of {last['num_steps']:,}"


def new_log_path(home: Path, job_name: str) -> Path:
    """Return where a training's log is kept, in a folder that is there."""
    log_path = home / "jobs" / f"{job_name}.log"
    log_path.parent.mkdir(parents=True, exist_ok=True)
    return log_path
