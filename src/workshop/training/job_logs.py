"""What the machines of a training job print, read from CloudWatch Logs as it comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

TRAINING_LOG_GROUP = "/aws/sagemaker/TrainingJobs"


class JobLogs:
    """Read the log streams of one training job, each from its beginning and every line once.

    Args:
        client: boto3's "logs".
        job_name: Training job.
        num_streams: So many will come, one for each machine; more of a managed spot job that goes on with
            other machines, which is told by setting it again.

    Source: Amazon SageMaker Developer Guide, "Log groups and streams": <job name>/algo-<number>-<time>.
    """

    def __init__(self, client: Any, job_name: str, num_streams: int) -> None:
        self.num_streams = num_streams
        self._client, self._job_name = client, job_name
        self._tokens: dict[str, str | None] = {}

    def new_lines(self) -> Iterator[str]:
        """Yield what came since the last call; lines of a second machine and more begin with its name."""
        if len(self._tokens) < self.num_streams:
            for name in self._stream_names():
                self._tokens.setdefault(name, None)
        for name in sorted(self._tokens):
            machine = name.split("/")[-1].rsplit("-", 1)[0]
            lead = "" if machine == "algo-1" else f"{machine} | "
            for message in self._new_messages(name):
                yield f"{lead}{message}"

    def _stream_names(self) -> list[str]:
        try:
            pages = self._client.get_paginator("describe_log_streams").paginate(
                logGroupName=TRAINING_LOG_GROUP, logStreamNamePrefix=f"{self._job_name}/"
            )
            return [stream["logStreamName"] for page in pages for stream in page["logStreams"]]
        except self._client.exceptions.ResourceNotFoundException:
            return []  # the account's first job has no log group until its machine is there

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
