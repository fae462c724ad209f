"""The jobs of a kind that run: started, found, ended with the sandbox, and reported after a restart."""

from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import WeakValueDictionary

from sandbox.jobs.lifecycle import END_GRACE_S, TERMINAL, Job, Outcome
from sandbox.logs import LogStream

if TYPE_CHECKING:
    from sandbox.api.registry import Call
    from sandbox.context import Context

Record = dict[str, Any]
J = TypeVar("J", bound=Job)


class RunningJobs(Generic[J]):
    """Jobs of a kind whose threads run.

    Args:
        job_class: Of these jobs.
    """

    def __init__(self, job_class: type[J]) -> None:
        self._job_class = job_class
        # A job's thread is what keeps it. The lock makes record and job one step.
        self._jobs: WeakValueDictionary[tuple[str, str], J] = WeakValueDictionary()
        self._lock = threading.Lock()

    def start(self, call: Call, name: str, record: Record) -> bool:
        """Keep the record of a new job and start the job; False when the name is taken.

        The faults that were asked for of its start happen to it.
        """
        faults, cls = call.context.faults, self._job_class
        no_capacity = faults.take(call.operation, "InsufficientCapacity")
        slow = faults.take(call.operation, "SlowStart")
        with self._lock:
            if not call.context.resources.add(cls.kind, call.region, name, record):
                return False
            self._jobs[call.region, name] = job = cls(
                call.context,
                call.region,
                name,
                has_capacity=no_capacity is None,
                start_delay_s=slow.delay_s if slow else 0,
            )
            job.start()
        return True

    def find(self, region: str, name: str) -> J | None:
        """Return a job that runs."""
        with self._lock:
            return self._jobs.get((region, name))

    def recover(self, context: Context) -> None:
        """Tell the truth about jobs that ran when the last sandbox of this home was killed."""
        cls = self._job_class
        for record in context.resources.all(cls.kind):
            # Jobs may have been made since this process began to listen.
            is_ours = self.find(record["_region"], record["_name"]) is not None
            if is_ours or record[cls.status_member] in TERMINAL:
                continue
            self._remove_left_overs(context, record)
            for stream in record.get("_log_streams", ()):
                log = LogStream(context, region=record["_region"], group=cls.log_group, stream=stream)
                log.write(cls.sandbox_ended)
                log.close()
            with context.resources.change(cls.kind, record["_region"], record["_name"]) as changed:
                cls.finish(changed, Outcome("Failed", reason=cls.sandbox_ended))

    def end_all(self, _: Context) -> None:
        """End every running job within seconds; each says in its record why."""
        with self._lock:
            jobs = list(self._jobs.values())
        for job in jobs:
            job.end("sandbox", grace_s=END_GRACE_S)
        for job in jobs:
            job.join()

    def _remove_left_overs(self, context: Context, record: Record) -> None:
        """Remove processes and files of a job whose sandbox was killed."""
        from processes.group import kill_members

        for launch_id in record.get("_launch_ids", ()):
            kill_members(-1, launch_id)  # by it alone: the process's number may be another's by now
        for folder in record.get("_scratch", ()):
            shutil.rmtree(folder, ignore_errors=True)
        folder = self._job_class.folder(context.home, record["_region"], record["_name"])
        shutil.rmtree(folder, ignore_errors=True)
