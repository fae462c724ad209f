"""An endpoint while other cells change it, polled in the background: its copies, or an update's stages."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

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


@dataclass(frozen=True, kw_only=True)
class UpdateSnapshot:
    """An endpoint's update at one moment.

    Attributes:
        at_s: time.time() of the poll.
        status: EndpointStatus.
        stage: VariantStatus of the update in progress, for example Baking; the EndpointStatus without one.
        config_name: Configuration in service.
        alarms: Name -> state.
    """

    at_s: float
    status: str
    stage: str
    config_name: str
    alarms: dict[str, str]


class _Watch(ABC):
    """Poll from `start` to `stop` or in a `with` block; every poll adds to `snapshots`.

    Args:
        aws: Where it is; the watch makes clients of its own.
        interval_s: Between two polls; that of the settings when None.
    """

    def __init__(self, aws: Aws, endpoint_name: str, *, interval_s: float | None = None) -> None:
        self.snapshots: list[Any] = []
        self._endpoint_name = endpoint_name
        self._interval_s = aws.settings.poll_interval_s if interval_s is None else interval_s
        self._sagemaker = aws.boto_session.client("sagemaker")
        self._has_ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="endpoint watch", daemon=True)

    def start(self) -> Self:
        """Begin to poll; daemon, so that a kernel's end is not held up."""
        self._thread.start()
        return self

    def stop(self) -> list[Any]:
        """Poll once more, end, and return the snapshots."""
        if not self._has_ended.is_set():
            self._has_ended.set()
            self._thread.join()
            self._poll()
        return self.snapshots

    def __enter__(self) -> Self:
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

    @abstractmethod
    def _poll(self) -> None:
        """Add a snapshot."""

    def _endpoint(self) -> dict[str, Any]:
        return described_or_none(self._sagemaker.describe_endpoint, EndpointName=self._endpoint_name) or {}


class CopiesWatch(_Watch):
    """The copies of inference components, and the instances below them.

    Args:
        components: Names; what is missing is left out.
    """

    snapshots: list[Snapshot]

    def __init__(
        self, aws: Aws, endpoint_name: str, components: Iterable[str], *, interval_s: float | None = None
    ) -> None:
        super().__init__(aws, endpoint_name, interval_s=interval_s)
        self._components = tuple(components)

    def _poll(self) -> None:
        at_s, described = time.time(), {}
        for name in self._components:
            found = described_or_none(
                self._sagemaker.describe_inference_component, InferenceComponentName=name
            )
            if found is not None:
                described[name] = found
        self.snapshots.append(
            Snapshot(
                at_s=at_s,
                copies={name: copies_of(one) for name, one in described.items()},
                status={name: one["InferenceComponentStatus"] for name, one in described.items()},
                num_instances=instances_of(self._endpoint()),
            )
        )


class UpdateWatch(_Watch):
    """The stages of an endpoint's update, and the states of alarms.

    Args:
        alarms: Names; what is missing is left out.
    """

    snapshots: list[UpdateSnapshot]

    def __init__(
        self, aws: Aws, endpoint_name: str, alarms: Iterable[str], *, interval_s: float | None = None
    ) -> None:
        super().__init__(aws, endpoint_name, interval_s=interval_s)
        self._cloudwatch, self._alarms = aws.boto_session.client("cloudwatch"), list(alarms)

    def _poll(self) -> None:
        at_s, endpoint = time.time(), self._endpoint()
        found = self._cloudwatch.describe_alarms(AlarmNames=self._alarms)["MetricAlarms"]
        status = endpoint.get("EndpointStatus", "")
        pending = endpoint.get("PendingDeploymentSummary", {}).get("ProductionVariants", [])
        stages = [one["Status"] for variant in pending for one in variant.get("VariantStatus", [])]
        self.snapshots.append(
            UpdateSnapshot(
                at_s=at_s,
                status=status,
                stage=stages[0] if stages and status == "Updating" else status,
                config_name=endpoint.get("EndpointConfigName", ""),
                alarms={alarm["AlarmName"]: alarm["StateValue"] for alarm in found},
            )
        )
