"""The hosts of a processing job: what each finds, and what they leave in S3."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.jobs import unmounted
from sandbox.jobs.hosts import MAX_WRITTEN_BYTES, Cluster, Host
from sandbox.jobs.synced_folder import SyncedFolder
from sandbox.processing import container

if TYPE_CHECKING:
    from sandbox.context import Context

LOG_GROUP = "/aws/sagemaker/ProcessingJobs"
MAX_MESSAGE_BYTES = 1024

Record = dict[str, Any]


class ProcessingCluster(Cluster):
    """The hosts of a processing job.

    Args:
        context: Its S3 and its logs.
        region: Region of the job.
        record: CreateProcessingJob's request with its defaults.
        folder: Holds a folder for each host.
        stream_number: The last part of the names of its log streams; seconds since the epoch, as on AWS.
    """

    log_group = LOG_GROUP

    def __init__(
        self, context: Context, *, region: str, record: Record, folder: Path, stream_number: int
    ) -> None:
        super().__init__(
            context,
            region=region,
            name=record["ProcessingJobName"],
            num_hosts=container.num_hosts(record),
            folder=folder,
            stream_number=stream_number,
        )
        self._record = record
        self._uploaded_at_end: list[SyncedFolder] = []

    def prepare(self) -> None:
        """Make the folders and files of every host, and bring its part of the inputs to each.

        Raises:
            S3Error: There is nothing of an input, a key cannot be a file, or S3 refuses.
        """
        for host in self.hosts:
            container.prepare(self._record, host.paths, host=host.name, hosts=host.names)
            at_once, at_end = container.output_folders(self._record, host.paths, self._s3)
            for folder in (*at_once, *at_end):  # before the inputs: what lies in an output is uploaded
                folder.prepare()
            host.synced_folders = at_once
            self._uploaded_at_end += at_end
            container.download_inputs(self._record, host.paths, self._s3, shard=host.shard)

    def _command(self, host: Host) -> list[str]:
        return container.command(self._record, host.paths)

    def _environment(self, host: Host) -> dict[str, str]:
        return container.environment(self._record, host.paths, url=self._context.url, region=self._region)

    def upload(self) -> None:
        """Upload what is uploaded at the end of the job, of all hosts: of one name the last host's stays.

        Raises:
            S3Error: S3 refuses.
        """
        for folder in self._uploaded_at_end:
            folder.finish()

    def message(self) -> str | None:
        """Return the exit message: what all hosts wrote to output/message, cut to 1 KB.

        Source: developer guide, "Save and Access Metadata Information About Your Processing Job".

        Raises:
            UnicodeDecodeError: It is not UTF-8.
        """
        text = "".join(host.paths.outside(_decoded(host.written("message"))) for host in self.hosts)
        return text.encode()[:MAX_MESSAGE_BYTES].decode(errors="ignore") or None

    def lost_outputs(self, *, since_s: float) -> str | None:
        """Return why a job that succeeded has failed all the same: see `unmounted.lost`."""
        names = [output["LocalPath"] for _, output in container.outputs(self._record)]
        paths = [host.paths for host in self.hosts]
        return unmounted.lost(paths, names, "outputs", since_s=since_s)


def _decoded(written: bytes) -> str:
    """Return a message, of which the last character may have been cut."""
    is_whole = len(written) < MAX_WRITTEN_BYTES
    return codecs.getincrementaldecoder("utf-8")().decode(written, final=is_whole)
