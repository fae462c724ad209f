"""Which operations of a service are implemented, and how a call reaches its function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.api import fields, service_model
from sandbox.api.errors import AwsError, validation_error

if TYPE_CHECKING:
    from sandbox.context import Context

ACCOUNT_ID = "000000000000"


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request to a service of ours.

    Args:
        operation: Name, for example CreateTrainingJob.
        request: The checked input.
        region: Region the request was signed for.
        context: What the sandbox is made of: store, faults, jobs, servers.
    """

    operation: str
    request: dict[str, Any]
    region: str
    context: Context

    def arn(self, kind: str, name: str) -> str:
        """Return the ARN of a resource, for example arn("training-job", "news-1")."""
        return f"arn:aws:sagemaker:{self.region}:{ACCOUNT_ID}:{kind}/{name.lower()}"


def require(call: Call, kind: str, name: str, *, what: str) -> dict[str, Any]:
    """Return the record of a resource.

    Args:
        call: Has region and store.
        kind: As in the ARN, for example endpoint-config.
        what: The kind in AWS's words, for example "endpoint configuration".

    Raises:
        AwsError: There is none of this name.
    """
    record = call.context.resources.get(kind, call.region, name)
    if record is None:
        raise validation_error(f'Could not find {what} "{call.arn(kind, name)}".')
    return record


Implementation = Callable[[Call], dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service whose operations are functions of ours.

    Args:
        name: botocore's, for example sagemaker.
        title: What messages call it.
        target: What stands before the operation in the header X-Amz-Target.
        check: Raises what stands in the way of a call, after its request was checked and before it runs.
        operations: By name; sandbox.operations imports the modules that fill it.
    """

    name: str
    title: str
    target: str
    check: Callable[[Call], None]
    operations: dict[str, Implementation] = field(default_factory=dict)

    def operation(self, name: str) -> Callable[[Implementation], Implementation]:
        """Return a decorator, @operation("CreateModel"), that adds a function to the operations."""

        def register(function: Implementation) -> Implementation:
            assert name not in self.operations, f"{name} is implemented twice"
            self.operations[name] = function
            return function

        return register

    def dispatch(self, name: str, request: Any, *, region: str, context: Context) -> dict[str, Any]:
        """Run an operation and return its checked answer.

        Raises:
            AwsError: As AWS would; 400 UnknownOperationException for what is not implemented here, since SDKs
                repeat a 5xx many times.
        """
        if name not in service_model.operation_names(self.name):
            raise AwsError("UnknownOperationException", f"{self.title} has no operation {name}.")
        function = self.operations.get(name)
        if function is None:
            raise AwsError(
                "UnknownOperationException",
                f"The sandbox does not implement {name} of {self.title}. What it implements is listed in"
                " src/sandbox/README.md; use an AWS account (a mode other than sample) for the rest.",
            )
        try:
            known = service_model.check_request(name, request, self.name)
            fields.check(name, request, self.name)
        except RecursionError:  # of Search alone: nothing else in our operations holds things of its own kind
            raise AwsError("SerializationException", "The request is nested too deeply.") from None
        call = Call(operation=name, request=known, region=region, context=context)
        self.check(call)
        return service_model.check_answer(name, function(call), self.name)


SAGEMAKER = Service(
    name="sagemaker",
    title="SageMaker",
    target="SageMaker",
    check=lambda call: call.context.faults.raise_for(call.operation, region=call.region),
)
operation = SAGEMAKER.operation
