"""The hosts of a training job: what each finds, and what they leave together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from processes.ports import free_port
from sandbox.container_paths import CONTAINER_ROOT
from sandbox.jobs import unmounted
from sandbox.jobs.hosts import Cluster, Host
from sandbox.training import container, outputs
from sandbox.training.synced_folders import synced_folders

if TYPE_CHECKING:
    from sandbox.context import Context
    from sandbox.training.metrics import JobMetrics

LOG_GROUP = "/aws/sagemaker/TrainingJobs"

Record = dict[str, Any]


class TrainingCluster(Cluster):
    """The hosts of one attempt at a training job.

    Args:
        context: Its S3 and its logs.
        region: Region of the job.
        record: CreateTrainingJob's request with its defaults.
        folder: Holds a folder for each host.
        metrics: Reads the log of the first host, as the step lines of one rank are there.
        stream_number: The last part of the names of its log streams; seconds since the epoch, as on AWS.
    """

    log_group = LOG_GROUP

    def __init__(
        self,
        context: Context,
        *,
        region: str,
        record: Record,
        folder: Path,
        metrics: JobMetrics,
        stream_number: int,
    ) -> None:
        super().__init__(
            context,
            region=region,
            name=record["TrainingJobName"],
            num_hosts=container.num_hosts(record),
            folder=folder,
            stream_number=stream_number,
        )
        self._record, self._metrics = record, metrics

    def prepare(self) -> None:
        """Make the folders and files of every host, and bring its part of data and checkpoints to each.

        Raises:
            S3Error: A channel is empty, a key cannot be a file, or S3 refuses.
        """
        record, s3, master_port = self._record, self._s3, free_port()
        for host in self.hosts:
            container.prepare(record, host.paths, host=host.name, hosts=host.names)
            container.download_channels(record, host.paths, s3, shard=host.shard, master_port=master_port)
            host.synced_folders = synced_folders(record, host.paths, s3)
            for folder in host.synced_folders:
                folder.prepare()

    def _command(self, host: Host) -> list[str]:
        return container.command(self._record, host.paths)

    def _environment(self, host: Host) -> dict[str, str]:
        return container.environment(self._record, host.paths, url=self._context.url, region=self._region)

    def _readers(self, host: Host) -> list[Callable[[str], None]]:
        return [self._metrics.read] if host is self.hosts[0] else []

    def upload(self, *, with_model: bool) -> None:
        """Upload what all hosts leave, as one model and one set of outputs.

        Raises:
            S3Error: S3 refuses.
        """
        outputs.upload(self._record, [host.paths for host in self.hosts], self._s3, with_model=with_model)

    def lost_model(self, *, since_s: float) -> str | None:
        """Return why a job that succeeded has failed all the same: see `unmounted.lost`."""
        paths = [host.paths for host in self.hosts]
        return unmounted.lost(paths, [f"{CONTAINER_ROOT}/model"], "model folder", since_s=since_s)


def failure(host: Host) -> str:
    """Return what a host's program wrote to output/failure."""
    return host.paths.outside(host.written("failure").decode(errors="replace").strip())
