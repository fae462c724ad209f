"""Follow a training job: its status, its log, its loss; from the beginning, however late one comes.

    job = follow(aws, job_name, timeout_s=settings.training_timeout_s)
    job.records      # one dict per progress line, for the plots

The job does not need anybody to follow it: interrupt the cell, restart the kernel, and call this again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from processes.secret_values import hider
from workshop.aws.denied import advice_for_role
from workshop.aws.local import no_answer
from workshop.aws.session import Aws
from workshop.errors import WorkshopError
from workshop.training.job import OVER_TIME, FollowedJob, new_log_path
from workshop.training.local_mode import is_local_run, local_result
from workshop.view.live import make_view
from workshop.view.process_output import Reader, last_lines

_MAX_POLL_FAILURES = 60
"""So many polls in a row may find no connection: 15 s on this machine, 10 min on AWS."""

_LATE_LINES_S = 15.0
"""CloudWatch shows a line some seconds after it was printed."""

_ENDED = ("Completed", "Failed", "Stopped")

TRAINING_LOG_GROUP = "/aws/sagemaker/TrainingJobs"


def follow(aws: Aws, job_name: str, timeout_s: float) -> FollowedJob:
    """Show a training job until it ends; one that has ended already is shown as a whole.

    Args:
        timeout_s: After this many seconds the wait ends; the job continues.

    Raises:
        WorkshopError: No such job, a job that failed or ran longer than it may, the wait timed out, or AWS
            does not answer.
        KeyboardInterrupt: The cell was interrupted; the job continues.
    """
    if is_local_run(job_name):
        return local_result(aws, job_name)
    log_path = new_log_path(aws.settings.home, job_name)
    with log_path.open("w", encoding="utf-8", errors="backslashreplace") as log:
        reader = Reader(log, hider(os.environ), make_view(job_name))
        follower = _Follower(aws, job_name, reader)
        try:
            job = follower.until_end(time.monotonic() + timeout_s)
        except KeyboardInterrupt:
            reader.view.end("stopped", f"{job_name} · continues in SageMaker · {_choices(job_name)}")
            raise
        except WorkshopError as error:
            reader.view.end("failed", f"{job_name} · {error.found.splitlines()[0]}")
            raise
        if job is None:
            reader.view.end("stopped", f"{job_name} · not at its end after {timeout_s:g} s; continues")
            raise WorkshopError(
                found=f"the job {job_name} still runs after {timeout_s:g} s ({follower.status})",
                expected="its end within that time; the job itself continues",
                next_step=_choices(job_name),
            )
    return _checked(job, reader, log_path)


class _Follower:
    """Poll a job's status and log, and show what is new."""

    def __init__(self, aws: Aws, job_name: str, reader: Reader) -> None:
        self._sagemaker, self._logs_client = aws.client("sagemaker"), aws.client("logs")
        self._job_name, self._reader = job_name, reader
        self._settings, self._is_sample = aws.settings, aws.mode == "sample"
        self._logs: JobLogs | None = None
        self._num_failures = self._num_statuses = 0
        self.status = ""

    def until_end(self, deadline_s: float) -> dict[str, Any] | None:
        """Return the description of the ended job, or None when it timed out."""
        while time.monotonic() < deadline_s:
            job = self._poll()
            if job and job["TrainingJobStatus"] in _ENDED:
                self._show_late_lines()
                return job
            self._sleep(self._settings.poll_interval_s)
        return None

    def _poll(self) -> dict[str, Any] | None:
        """Show status and new lines; return the job's description, or None without a connection."""
        from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

        try:
            job = self._sagemaker.describe_training_job(TrainingJobName=self._job_name)
            self._show_statuses(job)
            if self._logs is None:
                self._logs = JobLogs(self._logs_client, self._job_name, 0)
            self._logs.num_streams = _num_streams(job)
            self._show_new_lines()
        except ClientError as error:
            raise _client_error(error, self._job_name) from None
        except (ConnectionError, HTTPClientError) as error:
            self._num_failures += 1
            if self._num_failures > _MAX_POLL_FAILURES:
                raise self._no_connection(error) from None
            self._reader.view.status("no connection, trying again")
            self.status = ""
            return None
        self._num_failures = 0
        return job

    def _show_statuses(self, job: dict[str, Any]) -> None:
        """Show every status since the last poll; some last shorter than the time between two polls."""
        steps = [step["Status"] for step in job.get("SecondaryStatusTransitions", ())]
        for status in steps[self._num_statuses :] or [job["SecondaryStatus"]]:
            if status != self.status:
                self.status = status
                self._reader.view.status(status)
        self._num_statuses = len(steps)

    def _show_new_lines(self) -> int:
        num_lines = 0
        for line in self._logs.new_lines():
            self._reader.feed(line.encode("utf-8") + b"\n")
            num_lines += 1
        return num_lines

    def _show_late_lines(self) -> None:
        """Read on until nothing new comes; on this machine the last line is there before the last status."""
        if not self._is_sample:
            deadline_s = time.monotonic() + _LATE_LINES_S
            while time.monotonic() < deadline_s:
                self._sleep(min(self._settings.poll_interval_s, 5.0))
                if not self._show_new_lines():
                    break
        self._show_new_lines()
        self._reader.close()

    def _no_connection(self, error: Exception) -> WorkshopError:
        if self._is_sample:
            return no_answer(self._settings.home / "sandbox", "does not answer any more")
        return WorkshopError(
            found=f"no answer from AWS for a while ({type(error).__name__})",
            expected=f"a connection; the job {self._job_name} itself continues",
            next_step="check the network, then run the cell again",
        )

    def _sleep(self, seconds: float) -> None:
        """Wait, and keep the display up to date."""
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            due_s = self._reader.view.due_s
            time.sleep(left_s if due_s is None else min(left_s, max(due_s, 0.01)))
            self._reader.view.tick()


def _num_streams(job: dict[str, Any]) -> int:
    """Return how many log streams a job has: one for each instance, and again after every interruption."""
    statuses = [step["Status"] for step in job.get("SecondaryStatusTransitions", ())]
    return job.get("ResourceConfig", {}).get("InstanceCount", 1) * (1 + statuses.count("Interrupted"))


def _checked(job: dict[str, Any], reader: Reader, log_path: Path) -> FollowedJob:
    """Return a job that ended well or was stopped; raise for one that failed."""
    name, status, secondary = job["TrainingJobName"], job["TrainingJobStatus"], job["SecondaryStatus"]
    followed = FollowedJob(
        job_name=name,
        arn=job["TrainingJobArn"],
        status=status,
        seconds=float(job.get("TrainingTimeInSeconds", 0)),
        billable_seconds=float(job.get("BillableTimeInSeconds", 0)),
        status_seconds=_status_seconds(job),
        records=reader.records,
        phases=reader.phases,
        lines=list(reader.lines),
        model_uri=job.get("ModelArtifacts", {}).get("S3ModelArtifacts", ""),
        log_path=log_path,
    )
    if status == "Failed" or secondary in OVER_TIME:
        reader.view.end("failed", f"{name} · {secondary} · log: {log_path}")
        raise _failure(job, followed)
    ending = "done" if status == "Completed" else "stopped"
    reader.view.end(ending, f"{name} · {ending} · trained for {followed.seconds:.0f} s · log: {log_path}")
    return followed


def _failure(job: dict[str, Any], followed: FollowedJob) -> WorkshopError:
    if job["SecondaryStatus"] in OVER_TIME:
        limit_s = job.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", 0)
        found = f"ran longer than its {limit_s:,} s and was stopped by AWS"
        advice = (
            "raise max_run_s in workshop.yaml and start it again; it resumes from the same checkpoint_uri"
        )
    else:
        reason = job.get("FailureReason", "no reason given").strip()
        found = f"failed: {reason}"
        advice = advice_for_role(reason) or "correct what its last lines name and start it again"
    tail = f"aws logs tail {TRAINING_LOG_GROUP} --log-stream-name-prefix {followed.job_name}/ --since 1d"
    return WorkshopError(
        found=f"the job {followed.job_name} {found}\nits last lines:{last_lines(followed.lines)}",
        expected="a job that ends as Completed",
        next_step=f"{advice}; its whole log: {followed.log_path} (again from AWS: {tail})",
    )


def _client_error(error: Any, job_name: str) -> WorkshopError:
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    if code == "ValidationException" and "not found" in message.lower():
        return WorkshopError(
            found=f"no training job {job_name} in this account and region",
            expected="a job that was started before",
            next_step="run the cell that starts the training job",
        )
    if code in ("ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException"):
        return WorkshopError(
            found=f"credentials that have expired while the job {job_name} was followed",
            expected="valid credentials; the job itself continues",
            next_step="log in again (`aws login` or `aws sso login`), run the first cell, then this one",
        )
    return WorkshopError(
        found=f"AWS answered {code}: {message}",
        expected=f"the right to describe the job {job_name} and to read its log",
        next_step="let your administrator grant sagemaker:DescribeTrainingJob, logs:DescribeLogStreams and "
        "logs:GetLogEvents, then run the cell again: the job itself continues",
    )


def _status_seconds(job: dict[str, Any]) -> dict[str, float]:
    """Return how long each secondary status lasted; one that came twice is added up."""
    seconds: dict[str, float] = {}
    for step in job.get("SecondaryStatusTransitions", ()):
        if "EndTime" in step and step["Status"] not in _ENDED:
            lasted_s = (step["EndTime"] - step["StartTime"]).total_seconds()
            seconds[step["Status"]] = round(seconds.get(step["Status"], 0.0) + lasted_s, 2)
    return seconds


def _choices(job_name: str) -> str:
    return (
        "run this cell again to follow it, or stop it: "
        f'aws.client("sagemaker").stop_training_job(TrainingJobName="{job_name}")'
    )


class JobLogs:
    """Read the log streams of one training job, each from its beginning and every line once.

    Args:
        client: boto3's "logs".
        num_streams: So many will come, one for each instance; more of a managed spot job that resumes on
            other instances, for which it is set again.

    Source: Amazon SageMaker Developer Guide, "Log groups and streams": <job name>/algo-<number>-<time>.
    """

    def __init__(self, client: Any, job_name: str, num_streams: int) -> None:
        self.num_streams = num_streams
        self._client, self._job_name = client, job_name
        self._tokens: dict[str, str | None] = {}

    def new_lines(self) -> Iterator[str]:
        """Yield what came since the last call; lines of a second instance and more begin with its name."""
        if len(self._tokens) < self.num_streams:
            for name in self._stream_names():
                self._tokens.setdefault(name, None)
        for name in sorted(self._tokens):
            host = name.split("/")[-1].rsplit("-", 1)[0]
            lead = "" if host == "algo-1" else f"{host} | "
            for message in self._new_messages(name):
                yield f"{lead}{message}"

    def _stream_names(self) -> list[str]:
        try:
            pages = self._client.get_paginator("describe_log_streams").paginate(
                logGroupName=TRAINING_LOG_GROUP, logStreamNamePrefix=f"{self._job_name}/"
            )
            return [stream["logStreamName"] for page in pages for stream in page["logStreams"]]
        except self._client.exceptions.ResourceNotFoundException:
            return []  # the account's first job has no log group until its instance is there

    def _new_messages(self, stream_name: str) -> Iterator[str]:
        while True:
            token = self._tokens[stream_name]
            page = self._client.get_log_events(
                logGroupName=TRAINING_LOG_GROUP,
                logStreamName=stream_name,
                startFromHead=True,
                **({"nextToken": token} if token else {}),
            )
            for event in page["events"]:
                yield event["message"]
            self._tokens[stream_name] = page["nextForwardToken"]
            # A page may be empty or short in the middle; the same token again is the end of what there is.
            if page["nextForwardToken"] == token:
                return
