"""Copies and instances over time, polled in the background of other cells."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from workshop.aws.resources import described_or_none
from workshop.aws.session import Aws
from workshop.endpoint.components import copies_of, instances_of


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The copies and instances of an endpoint at one moment.

    Attributes:
        at_s: time.time() of the poll.
        copies: Component -> (copies that are there, copies that are asked for).
        status: Component -> InferenceComponentStatus.
    """

    at_s: float
    copies: dict[str, tuple[int, int]]
    status: dict[str, str]
    num_instances: int


class CopiesWatch:
    """Poll an endpoint from `start` to `stop` or in a `with` block; every poll adds to `snapshots`.

    Args:
        aws: Where it is; the watch makes a client of its own.
        components: Names; what is missing is left out.
        interval_s: Between two polls; that of the settings when None.
    """

    def __init__(
        self, aws: Aws, endpoint_name: str, components: Iterable[str], *, interval_s: float | None = None
    ) -> None:
        self.snapshots: list[Snapshot] = []
        self._endpoint_name, self._components = endpoint_name, tuple(components)
        self._interval_s = aws.settings.poll_interval_s if interval_s is None else interval_s
        self._sagemaker = aws.boto_session.client("sagemaker")
        self._has_ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="copies watch", daemon=True)

    def start(self) -> CopiesWatch:
        """Begin to poll; daemon, so that a kernel's end is not held up."""
        self._thread.start()
        return self

    def stop(self) -> list[Snapshot]:
        """Poll once more, end, and return the snapshots."""
        if not self._has_ended.is_set():
            self._has_ended.set()
            self._thread.join()
            self._poll()
        return self.snapshots

    def __enter__(self) -> CopiesWatch:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _watch(self) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        while True:
            with suppress(BotoCoreError, ClientError):  # throttled, no connection: the next poll is soon
                self._poll()
            if self._has_ended.wait(self._interval_s):
                return

    def _poll(self) -> None:
        at_s, described = time.time(), {}
        for name in self._components:
            found = described_or_none(
                self._sagemaker.describe_inference_component, InferenceComponentName=name
            )
            if found is not None:
                described[name] = found
        endpoint: dict[str, Any] = (
            described_or_none(self._sagemaker.describe_endpoint, EndpointName=self._endpoint_name) or {}
        )
        self.snapshots.append(
            Snapshot(
                at_s=at_s,
                copies={name: copies_of(one) for name, one in described.items()},
                status={name: one["InferenceComponentStatus"] for name, one in described.items()},
                num_instances=instances_of(endpoint),
            )
        )
