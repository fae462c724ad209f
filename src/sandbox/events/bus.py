"""The default bus: which rules an event triggers, and the thread that starts their targets.

An event is taken at once, whatever becomes of it. A start that was throttled, or that met a failure of the
service, is repeated; any other failure is final. Repeats that are still due end with the sandbox.

Source: EventBridge User Guide, "How EventBridge retries delivering events" (24 hours and 185 times, waits
that grow and have a part of chance) and "Monitoring Amazon EventBridge" (metrics). How long the waits are is
not published: here 1 s, doubled each time up to 10 minutes, on the sandbox's clock.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty
from typing import TYPE_CHECKING, Any

from sandbox import clock
from sandbox.api.errors import AwsError
from sandbox.api.registry import ACCOUNT_ID
from sandbox.events import patterns, targets
from sandbox.events.api import KIND, TARGETS
from sandbox.events.inbox import INBOX

if TYPE_CHECKING:
    from sandbox.context import Context

NAMESPACE = "AWS/Events"
_MAX_ATTEMPTS, _MAX_AGE_S = 185, 86_400
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 600.0
_END_TIMEOUT_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """An event on its way to one target of a rule.

    Attributes:
        since_s: When the first attempt was, time.monotonic().
        num_attempts: Those that failed.
    """

    region: str
    rule: str
    target: dict[str, Any]
    event: dict[str, Any]
    since_s: float
    num_attempts: int = 0


class Bus:
    """Takes events out of the inbox, and starts what rules say.

    Args:
        context: Has rules and pipelines.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._numbers = itertools.count()  # two that are due at the same time are not compared
        self._due: list[tuple[float, int, Delivery]] = []  # of its thread
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def end(self) -> None:
        """Deliver nothing any more; the log names what was still to be repeated."""
        INBOX.put(None)
        self._thread.join(_END_TIMEOUT_S)

    def _run(self) -> None:
        while True:
            wait_s = max(self._due[0][0] - time.monotonic(), 0.0) if self._due else None
            try:
                sent = INBOX.get(timeout=wait_s)
            except Empty:
                self._safely(self._attempt, heapq.heappop(self._due)[2])
                continue
            if sent is None:
                break
            self._safely(self._match, *sent)
        for _, _, delivery in self._due:
            logging.getLogger("sandbox").warning("%s ended with the sandbox", _shown(delivery))

    def _safely(self, do: Callable[..., None], *given: Any) -> None:
        try:
            do(*given)
        except Exception:  # the next event is delivered all the same
            logging.getLogger("sandbox").exception("the delivery of an event failed")

    def _match(self, region: str, event: dict[str, Any]) -> None:
        for rule in self._context.resources.all(KIND, region):
            if rule["State"] != "ENABLED" or not patterns.matches(rule["EventPattern"], event):
                continue
            _count(region, rule["Name"], "MatchedEvents", "TriggeredRules")
            for target in rule[TARGETS].values():
                self._attempt(
                    Delivery(
                        region=region,
                        rule=rule["Name"],
                        target=target,
                        event=event,
                        since_s=time.monotonic(),
                    )
                )

    def _attempt(self, delivery: Delivery) -> None:
        log, region, rule = logging.getLogger("sandbox"), delivery.region, delivery.rule
        _count(region, rule, "InvocationAttempts")
        try:
            arn = targets.start(self._context, region, rule, delivery.target, delivery.event)
        except AwsError as error:
            wait_s = _wait_s(delivery) if targets.may_pass(error) else None
            if wait_s is not None:
                log.info("%s is tried again: %s", _shown(delivery), error.message)
                _count(region, rule, "RetryInvocationAttempts")
                again = Delivery(**{**vars(delivery), "num_attempts": delivery.num_attempts + 1})
                heapq.heappush(self._due, (time.monotonic() + wait_s, next(self._numbers), again))
                return
            log.warning("%s failed: %s: %s", _shown(delivery), error.code, error.message)
            _count(region, rule, "Invocations", "FailedInvocations")
        else:
            log.info("%s started %s", _shown(delivery), arn)
            _count(region, rule, "Invocations", "SuccessfulInvocationAttempts")


def _wait_s(delivery: Delivery) -> float | None:
    """Return how long to wait before the next attempt; None when there is none."""
    policy = delivery.target.get("RetryPolicy", {})
    growing_s = min(_FIRST_WAIT_S * 2**delivery.num_attempts, _LONGEST_WAIT_S)
    wait_s = clock.real_s(growing_s * random.uniform(0.5, 1.0))
    age_s = (time.monotonic() - delivery.since_s + wait_s) * clock.speed()
    is_spent = delivery.num_attempts >= policy.get("MaximumRetryAttempts", _MAX_ATTEMPTS)
    return None if is_spent or age_s > policy.get("MaximumEventAgeInSeconds", _MAX_AGE_S) else wait_s


def _count(region: str, rule: str, *names: str) -> None:
    """Count what a rule did in CloudWatch; what is zero is not sent, as on AWS."""
    from moto.cloudwatch.models import cloudwatch_backends

    dimensions = [{"Name": "RuleName", "Value": rule}]
    data = [{"MetricName": name, "Dimensions": dimensions, "Value": 1.0, "Unit": "Count"} for name in names]
    cloudwatch_backends[ACCOUNT_ID][region].put_metric_data(NAMESPACE, data)


def _shown(delivery: Delivery) -> str:
    return f"rule {delivery.rule}, target {delivery.target['Id']} ({delivery.target['Arn']})"


_bus: Bus | None = None  # a process is one sandbox


def start(context: Context) -> None:
    """Begin to deliver events."""
    global _bus
    _bus = Bus(context)
    _bus.start()


def end() -> None:
    """Deliver nothing any more."""
    if _bus is not None:
        _bus.end()
