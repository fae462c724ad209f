"""Captured lines on their way to S3: grouped for a minute of AWS, as objects, in the background.

Whoever lists the bucket, deletes the endpoint or ends the sandbox has all in it that was captured before.
What S3 refuses (no such bucket, a role that may not s3:PutObject, a full disk) is kept and tried again.

Source: SageMaker Developer Guide, "Capture data": "delivery of captured data to Amazon S3 can require a
couple of minutes".
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from sandbox import clock
from sandbox.hosting.capture_journal import FOLDER, SUFFIX, Journal, Segment, read_segment
from sandbox.hosting.data_capture import Capture, CaptureSettings
from sandbox.logs import LogStream
from sandbox.storage.quarantine import quarantine

if TYPE_CHECKING:
    from sandbox.context import Context

GROUPING_S = 60.0  # of AWS
_RETRY_S = (1.0, 2.0, 5.0, 15.0, 60.0)


class Captures:
    """All that is captured by one sandbox."""

    def __init__(self) -> None:
        self._variants: dict[tuple[str, str, str], CapturedVariant] = {}
        self._lock = threading.Lock()
        self._delivering = threading.Lock()
        self._is_waiting, self._ended = threading.Event(), threading.Event()
        self.is_recovered = threading.Event()
        self._thread: threading.Thread | None = None

    def of(self, context: Context, region: str, endpoint: str, variant: str) -> CapturedVariant:
        """Return what is captured of a variant."""
        with self._lock:
            key = region, endpoint, variant
            if key not in self._variants:
                self._variants[key] = CapturedVariant(context, self._is_waiting.set, *key)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="captures", daemon=True)
                self._thread.start()
            return self._variants[key]

    def is_working(self, region: str, endpoint: str) -> bool:
        """Tell whether what is captured of an endpoint is kept, and arrives."""
        with self._lock:
            found = [each for key, each in self._variants.items() if key[:2] == (region, endpoint)]
        return not any(each.problem for each in found)

    def recover(self, context: Context) -> None:
        """Take over what the sandbox that ran before on this home had not delivered."""
        try:
            for path in sorted((context.home / FOLDER).glob(f"*{SUFFIX}")):
                segment = read_segment(path)
                if segment:
                    captured = self.of(context, segment.region, segment.endpoint, segment.variant)
                    captured.journal.give_back([segment])
                    self._is_waiting.set()
        finally:
            self.is_recovered.set()

    def deliver(self, bucket: str | None = None) -> bool:
        """Bring what was captured before to S3; False when some of it could not be.

        Args:
            bucket: Only what goes to this one.
        """
        with self._lock:
            variants = list(self._variants.values())
        if not variants:
            return True
        with self._delivering:
            return all([each.deliver(bucket) for each in variants])

    def end_all(self, context: Context) -> None:
        """Deliver everything, because the sandbox ends; what cannot be is delivered by the next one."""
        self._ended.set()
        self._is_waiting.set()
        self.deliver()

    def _run(self) -> None:
        num_failures = 0
        while not self._ended.is_set():
            self._is_waiting.wait()
            retry_s = _RETRY_S[min(num_failures, len(_RETRY_S)) - 1]
            self._ended.wait(retry_s if num_failures else clock.real_s(GROUPING_S))
            self._is_waiting.clear()
            try:
                num_failures = 0 if self.deliver() else num_failures + 1
            except Exception:
                logging.getLogger("sandbox").exception("captured data was not delivered")
                num_failures += 1
            if num_failures:
                self._is_waiting.set()


class CapturedVariant:
    """What is captured of one variant.

    Args:
        context: What the sandbox is made of.
        notify: Called when there is something to deliver.
        region: AWS region.
        endpoint: EndpointName.
        variant: VariantName.

    Attributes:
        problem: Why lines are not kept or do not arrive at the moment; None when they are and do.
    """

    def __init__(
        self, context: Context, notify: Callable[[], None], region: str, endpoint: str, variant: str
    ) -> None:
        self.journal = Journal(context.home, region=region, endpoint=endpoint, variant=variant)
        self.problem: str | None = None
        self._context, self._notify = context, notify
        self._lock = threading.Lock()
        self._num_lost, self._why_lost = 0, ""

    def begin(self, settings: CaptureSettings, headers: dict[str, str], body: bytes) -> Capture:
        """Return the capture of an invocation that was sent to its container."""
        return Capture(settings, headers, body, self._append)

    def deliver(self, bucket: str | None) -> bool:
        """Bring to S3 what was captured before; False when some of it could not be."""
        segments = self.journal.take_sealed(bucket)
        while segments:
            try:
                self._put(segments[0])
            except FileNotFoundError:
                logging.getLogger("sandbox").warning("%s is gone", segments[0].path)
            except (ValueError, KeyError, TypeError) as problem:  # somebody else has written to it
                quarantine(segments[0].path, problem)
            except (ClientError, BotoCoreError, OSError) as problem:
                self.journal.give_back(segments)
                self._fail(segments[0], str(problem))
                return False
            segments.pop(0)
        if self.problem and not self._num_lost:
            self.problem = None
            self._say("captured data is delivered again")
        return True

    def _append(self, frame: list[bytes], destination: str, now_s: float) -> None:
        """Keep a frame; count it as lost where that fails: the invocation is answered all the same."""
        try:
            self.journal.append(frame, destination, now_s)
        except OSError as problem:
            with self._lock:
                self._num_lost, self._why_lost = self._num_lost + 1, problem.strerror or str(problem)
                is_first = self._num_lost == 1
                self.problem = f"invocations are not captured: {self._why_lost}"
            if is_first:
                self._say(self.problem)
            return
        if self._num_lost:
            with self._lock:
                num_lost, self._num_lost, self.problem = self._num_lost, 0, None
            if num_lost:
                self._say(f"{num_lost} invocations were not captured ({self._why_lost}); it goes on")
        self._notify()

    def _put(self, segment: Segment) -> None:
        content = segment.content()
        if content:
            self._context.client("s3", segment.region).put_object(
                Bucket=segment.bucket, Key=segment.key, Body=content
            )
        segment.path.unlink(missing_ok=True)

    def _fail(self, segment: Segment, why: str) -> None:
        said = f"captured data cannot be brought to s3://{segment.bucket}/{segment.key}: {why}; it is kept"
        is_new = self.problem is None
        self.problem = said
        if is_new:
            self._say(said)

    def _say(self, line: str) -> None:
        """Write to the sandbox's log and to a log stream of the endpoint, as far as the disk lets one."""
        journal = self.journal
        logging.getLogger("sandbox").warning("%s, %s: %s", journal.endpoint, journal.variant, line)
        with suppress(OSError):
            stream = LogStream(
                self._context,
                region=journal.region,
                group=f"/aws/sagemaker/Endpoints/{journal.endpoint}",
                stream=f"{journal.variant}/data-capture",
            )
            try:
                stream.write(f"[sandbox] {line}")
            finally:
                stream.close()


captures = Captures()  # a process is one sandbox
