"""The life of one training job: a thread that takes it from Starting to its last status."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from sandbox.api.faults import INTERNAL, SPOT
from sandbox.jobs.lifecycle import STOP_GRACE_S, Job, JobFailedError, Outcome, algorithm_error, timer
from sandbox.s3_files import S3Error
from sandbox.training import status
from sandbox.training.hosts import LOG_GROUP, TrainingCluster, failure
from sandbox.training.metrics import JobMetrics

KIND = "training-job"
Record = dict[str, Any]


class TrainingJob(Job):
    """A training job that runs; `metrics` are those that its log has shown."""

    kind = KIND
    status_member = "TrainingJobStatus"
    log_group = LOG_GROUP
    folder_name = "jobs"
    sandbox_ended = (
        "InternalServerError: The sandbox ended while the job ran, and the job's process with it. A job with"
        " the same CheckpointConfig resumes from its last checkpoint."
    )

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._is_interrupted = False
        self._stream_number = 0
        self._trained_s = 0.0  # by attempts before this one
        definitions = self._record["AlgorithmSpecification"].get("MetricDefinitions", [])
        self.metrics = JobMetrics(definitions, region=self._region, job_name=self._name)

    @classmethod
    def finish(cls, record: Record, outcome: Outcome, *, billed_s: float | None = None) -> None:
        """Move a record to its last status, with what was billed."""
        status.finish(
            record, outcome.status, secondary=outcome.secondary, reason=outcome.reason, billed_s=billed_s
        )

    def _mark_stopping(self, record: Record) -> None:
        status.enter(record, "Stopping")

    def _complete(self, record: Record, outcome: Outcome) -> None:
        record["FinalMetricDataList"] = self.metrics.final() or None
        billed_s = self._trained_s if "TrainingStartTime" in record else None
        self.finish(record, outcome, billed_s=billed_s)

    def _interrupt(self) -> None:
        """Take the hosts away, as managed spot does; the job resumes on new ones."""
        with self._lock:
            if self._end_reason is None and self._cluster.is_running:
                self._is_interrupted = True
                self._cluster.terminate(STOP_GRACE_S)

    def _live(self) -> Outcome:
        limit_s = self._record["StoppingCondition"].get("MaxWaitTimeInSeconds")
        left_s = None if limit_s is None else self._record["CreationTime"] + limit_s - time.time()
        waits = None if left_s is None else timer(left_s, self.end, "wait")
        try:
            if not self._gets_hosts():
                return self._outcome(self._end_reason)
            if "ContainerEntrypoint" not in self._record["AlgorithmSpecification"]:
                raise JobFailedError(
                    "ClientError: The sandbox has no images: it cannot run the program of"
                    f" {self._record['AlgorithmSpecification']['TrainingImage']}. Give the job its own:"
                    " SourceCode(entry_script=...) of ModelTrainer, or ContainerEntrypoint."
                )
            return self._attempts()
        finally:
            if waits:
                waits.cancel()

    def _attempts(self) -> Outcome:
        num_retries = self._record.get("RetryStrategy", {}).get("MaximumRetryAttempts", 0)
        while True:
            self._enter("Starting", "Preparing the instances for training")
            started_s, outcome = time.time(), None
            try:
                outcome = self._attempt(started_s)
            except JobFailedError:
                raise
            except Exception:  # what AWS calls an InternalServerError; nothing else is tried again
                if num_retries == 0 or self._end_asked.is_set():
                    raise
                num_retries -= 1
                logging.getLogger("sandbox").exception("training job %s is tried again", self._name)
                continue
            finally:
                self._trained_s += time.time() - started_s
            if outcome is not None:
                return outcome
            self._enter("Interrupted")

    def _attempt(self, started_s: float) -> Outcome | None:
        """Run the job on new hosts; None when these were taken away and it has to resume on others."""
        # Another one than that of the attempt before, which may have lasted less than a second.
        self._stream_number = max(int(started_s), self._stream_number + 1)
        cluster = TrainingCluster(
            self._context,
            region=self._region,
            record=self._record,
            folder=self._folder,
            metrics=self.metrics,
            stream_number=self._stream_number,
        )
        self._is_interrupted = False
        with self._on(cluster):
            self._download(cluster)
            if self._end_asked.is_set():
                return self._outcome(self._end_reason)
            if self._context.faults.take("CreateTrainingJob", INTERNAL):
                raise RuntimeError("the fault InternalServerError, which was asked for")
            self._enter("Training")
            max_runtime_s = self._record["StoppingCondition"]["MaxRuntimeInSeconds"]
            left_s = started_s + max_runtime_s - self._trained_s - time.time()
            host, exit_code = self._execute(cluster, left_s)
            end_reason = self._end_reason  # what comes after the program's end changes nothing
            is_interrupted = self._is_interrupted and end_reason is None
            is_failed = end_reason is None and exit_code != 0 and not is_interrupted
            with_model = not is_failed and not is_interrupted and end_reason != "sandbox"
            if with_model and end_reason is None and (reason := cluster.lost_model(since_s=started_s)):
                raise JobFailedError(reason)
            outcome = None if is_interrupted else self._outcome(end_reason)
            if with_model:
                self._enter("Uploading")
            self._upload(cluster, with_outputs=not is_interrupted, with_model=with_model)
            if is_failed:
                reason = algorithm_error(host, exit_code, text=failure(host), num_hosts=len(cluster.hosts))
                raise JobFailedError(reason)
            return outcome

    def _download(self, cluster: TrainingCluster) -> None:
        with self._changed() as record:
            if record["TrainingJobStatus"] == "InProgress":
                status.enter(record, "Downloading")
            record.setdefault("TrainingStartTime", time.time())
        self._prepare(cluster)

    def _timers(self) -> list[threading.Timer]:
        """Return when the hosts are taken away, if that was asked for and they can be."""
        is_spot = self._record.get("EnableManagedSpotTraining")
        fault = self._context.faults.take("CreateTrainingJob", SPOT) if is_spot else None
        return [timer(fault.delay_s, self._interrupt)] if fault else []

    def _upload(self, cluster: TrainingCluster, *, with_outputs: bool, with_model: bool) -> None:
        try:
            cluster.finish_synced_folders()
            if with_outputs:
                cluster.upload(with_model=with_model)
        except S3Error as error:
            raise JobFailedError(f"ClientError: Artifact upload failed:{error}") from error

    def _enter(self, secondary: str, message: str | None = None) -> None:
        with self._changed() as record:
            if record["TrainingJobStatus"] == "InProgress" or secondary == "Uploading":
                status.enter(record, secondary, message)
