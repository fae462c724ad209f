"""Faults on request: the errors of AWS that a workshop has to survive, made to happen.

PUT /_sandbox/faults     {"operation": "CreateTrainingJob", "fault": "ResourceLimitExceeded", "count": 1}
GET /_sandbox/faults     those that have not happened yet
DELETE /_sandbox/faults  none any more
"""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from typing import Any

from sandbox.api import service_model
from sandbox.api.errors import AwsError, validation_error

# Faults that the call itself answers with.
_ERRORS = {
    "ResourceLimitExceeded": (
        "ResourceLimitExceeded",
        "The account-level service limit for the instance type in {operation} is 0 Instances, with current"
        " utilization of 0 Instances and a request delta of 1 Instances. Please use AWS Service Quotas to"
        " request an increase for this quota.",
    ),
    "AccessDenied": (
        "AccessDeniedException",
        "User: arn:aws:iam::000000000000:user/sandbox is not authorized to perform: {service}:{operation}"
        " because no identity-based policy allows the {service}:{operation} action",
    ),
    "Throttling": ("ThrottlingException", "Rate exceeded"),
}
# Faults of what the call starts: the job or the endpoint asks for them when it gets that far.
ASYNCHRONOUS = ("InsufficientCapacity", "SlowStart", "FailedHealthCheck")
SPOT = "SpotInterruption"  # of a training job's hosts, once its program runs
INTERNAL = "InternalServerError"  # of an attempt at a job, before its program runs
_OPERATIONS = {SPOT: ("CreateTrainingJob",), INTERNAL: ("CreateTrainingJob", "CreateProcessingJob")}
SERVICES = ("sagemaker", "service-quotas", "pricing")
KINDS = (*_ERRORS, *ASYNCHRONOUS, SPOT, INTERNAL)


@dataclass(kw_only=True)
class Fault:
    """One fault: of which operation, which kind, and how many more times.

    Args:
        operation: Of SageMaker, Service Quotas or the price list, for example CreateEndpoint.
        fault: One of KINDS.
        count: How many calls it hits, 1 or more.
        delay_s: SlowStart's delay, or how long a program runs before SpotInterruption, in seconds.
    """

    operation: str
    fault: str
    count: int = 1
    delay_s: float = 5.0

    def __post_init__(self) -> None:
        if not any(self.operation in service_model.operation_names(each) for each in SERVICES):
            raise validation_error(
                f"found operation {self.operation!r}; expected one of {', '.join(SERVICES)}"
            )
        if self.fault not in KINDS:
            raise validation_error(f"found fault {self.fault!r}; expected one of {', '.join(KINDS)}")
        its_operations = _OPERATIONS.get(self.fault, (self.operation,))
        if self.operation not in its_operations:
            raise validation_error(
                f"found {self.fault} of {self.operation}; expected it of {' or '.join(its_operations)}"
            )
        if type(self.count) is not int or self.count < 1:
            raise validation_error(f"found count {self.count!r}; expected a whole number of 1 or more")
        if not isinstance(self.delay_s, int | float) or not 0 <= self.delay_s <= 3600:
            raise validation_error(f"found delay_s {self.delay_s!r}; expected 0 to 3600 seconds")


class Faults:
    """The faults that were asked for; each happens `count` times, in the order they were asked for."""

    def __init__(self) -> None:
        self._pending: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, request: Any) -> None:
        """Add the fault a control request describes.

        Raises:
            AwsError: It names an unknown operation or fault.
        """
        try:
            fault = Fault(**request)
        except TypeError as problem:
            raise validation_error(
                f"found {request!r}; expected operation, fault, count, delay_s ({problem})"
            ) from None
        with self._lock:
            self._pending.append(fault)

    def listed(self) -> list[dict[str, Any]]:
        with self._lock:
            return [asdict(fault) for fault in self._pending]

    def clear(self) -> None:
        with self._lock:
            self._pending.clear()

    def take(self, operation: str, *kinds: str) -> Fault | None:
        """Return the next fault of these kinds for an operation, and count it as happened."""
        with self._lock:
            for fault in self._pending:
                if fault.operation == operation and fault.fault in kinds:
                    fault.count -= 1
                    if not fault.count:
                        self._pending.remove(fault)
                    return fault
        return None

    def raise_for(self, operation: str, *, region: str, service: str = "sagemaker") -> None:
        """Raise the error that was asked for this call, if any; policies name the service as given."""
        fault = self.take(operation, *_ERRORS)
        if fault:
            code, message = _ERRORS[fault.fault]
            raise AwsError(code, message.format(operation=operation, region=region, service=service))
