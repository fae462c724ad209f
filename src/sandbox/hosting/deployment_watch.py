"""The watch over a deployment: its baking periods, the alarms that end it, and how long it may take."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from sandbox import clock
from sandbox.hosting.errors import DeploymentFailedError

_LOOK_AGAIN_S = 0.1  # an alarm tells nobody that it changed; to look costs microseconds


class DeploymentWatch:
    """Watches one deployment from now on.

    Args:
        region: Of the alarms.
        alarms: Names of those that make it go back.
        limit_s: MaximumExecutionTimeoutInSeconds, of AWS; None for no limit.
        stopped: Set when what is deployed is to end.
    """

    def __init__(
        self, *, region: str, alarms: Sequence[str], limit_s: float | None, stopped: threading.Event
    ) -> None:
        self._region, self._alarms, self._limit_s, self._stopped = region, alarms, limit_s, stopped
        self._started_s = time.monotonic()
        self._saved_s = 0.0  # seconds of AWS that waits took, less those that they took here

    def bake(self, wait_s: float) -> None:
        """Wait, and look at the alarms meanwhile: at least once.

        Args:
            wait_s: WaitIntervalInSeconds, of AWS.

        Raises:
            DeploymentFailedError: An alarm is in ALARM, the deployment takes too long, or it is to end.
        """
        real_s, began_s = clock.real_s(wait_s), time.monotonic()
        while True:
            self._check_alarms()
            left_s = began_s + real_s - time.monotonic()
            if left_s <= 0:
                break
            self._pause(min(left_s, _LOOK_AGAIN_S))
        self._saved_s += wait_s - real_s
        self.check_time()

    def wait(self, wait_s: float) -> None:
        """Wait without a look at the alarms.

        Args:
            wait_s: Seconds of AWS.

        Raises:
            DeploymentFailedError: The deployment is to end.
        """
        self._pause(clock.real_s(wait_s))

    def check_time(self) -> None:
        """Make sure that the deployment has not taken longer than it may.

        Waits count as long as they would take on AWS, the start of containers as long as it takes here.

        Raises:
            DeploymentFailedError: It has.
        """
        spent_s = time.monotonic() - self._started_s + self._saved_s
        if self._limit_s is not None and spent_s > self._limit_s:
            raise DeploymentFailedError(
                f"The deployment took longer than {self._limit_s:g} seconds"
                " (MaximumExecutionTimeoutInSeconds) and was rolled back."
            )

    def _pause(self, real_s: float) -> None:
        if self._stopped.wait(real_s):
            raise DeploymentFailedError("The sandbox ends.")

    def _check_alarms(self) -> None:
        if not self._alarms:
            return
        from sandbox.scaling.alarms import in_alarm  # moto's CloudWatch, loaded by whoever asks for alarms

        tripped = in_alarm(self._region, self._alarms)
        if tripped:
            raise DeploymentFailedError(
                f"The deployment was rolled back: in state ALARM {'is' if len(tripped) == 1 else 'are'}"
                f" {', '.join(tripped)}."
            )
