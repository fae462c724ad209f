"""What each type of step makes, under a name or a token that is on disk before the call: it is found again.

Source: API reference, PipelineExecutionStepMetadata; names of jobs as users list them, for example
pipelines-5lzq3dyc8qvc-AbaloneProcess-jJ0vPKZbwv; the tags as sagemaker.core.lineage reads
them, and github.com/getindata/kedro-sagemaker/issues/20 lists them.
"""

from __future__ import annotations

import random
import re
import string
import uuid
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.jobs.lifecycle import TERMINAL
from sandbox.model_registry.names import GROUP, PACKAGE
from sandbox.model_registry.packages import CLIENT_TOKEN
from sandbox.pipelines.calls import Caller

if TYPE_CHECKING:
    from sandbox.pipelines.definition import Step

_EXECUTION_TAG, _STEP_TAG = "sagemaker:pipeline-execution-arn", "sagemaker:pipeline-step-name"
_MAX_NAME_CHARS = 63
_MAX_STEP_CHARS = 20  # of the step's name in a job's
_NUM_RANDOM_CHARS = 10
Record = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class State:
    """What has become of what a step made.

    Args:
        metadata: Of the step.
        properties: What Describe answers, once it has succeeded.
        failure: Why it has failed.
        is_running: It has not ended.
        is_stopped: It was stopped.
    """

    metadata: Record
    properties: Record | None = None
    failure: str | None = None
    is_running: bool = False
    is_stopped: bool = False


class Made(ABC):
    """A type of steps that make something of SageMaker's; `metadata` is its member of a step's metadata."""

    metadata: str

    @abstractmethod
    def mark(self, execution_id: str, step: Step) -> str:
        """Return a new name or token, by which nothing else can be found."""

    @abstractmethod
    def request(self, arguments: Record, mark: str, tags: dict[str, str]) -> Record:
        """Return the request that makes it."""

    @abstractmethod
    def make(self, call: Caller, request: Record) -> Record:
        """Make it, and return the metadata of the step.

        Raises:
            AwsError: As AWS answers.
        """

    @abstractmethod
    def state(self, call: Caller, mark: str) -> State | None:
        """Return what has become of it; None when nothing was made.

        Raises:
            AwsError: It may not be described.
        """

    def stop(self, call: Caller, mark: str) -> None:
        """Ask it to stop; what is made at once has nothing to stop."""
        del call, mark

    def _found(self, arn: str, **state: Any) -> State:
        return State(metadata=self._metadata(arn), **state)

    def _metadata(self, arn: str) -> Record:
        return {self.metadata: {"Arn": arn}}


class _Job(Made):
    """Training and processing jobs.

    Args:
        noun: As in the operation, for example TrainingJob.
        kind: As in its ARN.
    """

    def __init__(self, noun: str, kind: str) -> None:
        self.metadata, self._noun, self._kind = noun, noun, kind

    def mark(self, execution_id: str, step: Step) -> str:
        given = step.arguments.get(f"{self._noun}Name")
        return _name(execution_id, step.name, given)

    def request(self, arguments: Record, mark: str, tags: dict[str, str]) -> Record:
        return {**_tagged(arguments, tags), f"{self._noun}Name": mark}

    def make(self, call: Caller, request: Record) -> Record:
        return self._metadata(call(f"Create{self._noun}", request)[f"{self._noun}Arn"])

    def state(self, call: Caller, mark: str) -> State | None:
        record = call.context.resources.get(self._kind, call.region, mark)
        if record is None:
            return None
        status, arn = record[f"{self._noun}Status"], record[f"{self._noun}Arn"]
        if status not in TERMINAL:
            return self._found(arn, is_running=True)
        if status == "Completed":
            described = call.insist(f"Describe{self._noun}", {f"{self._noun}Name": mark})
            return self._found(arn, properties=described)
        reason = record.get("FailureReason") or f"The job {mark} was stopped."
        return self._found(arn, failure=reason, is_stopped=status == "Stopped")

    def stop(self, call: Caller, mark: str) -> None:
        call.insist(f"Stop{self._noun}", {f"{self._noun}Name": mark})


class _Model(Made):
    metadata = "Model"

    def mark(self, execution_id: str, step: Step) -> str:
        given = step.arguments.get("ModelName")
        return _name(execution_id, step.name, given)

    def request(self, arguments: Record, mark: str, tags: dict[str, str]) -> Record:
        return {**_tagged(arguments, tags), "ModelName": mark}

    def make(self, call: Caller, request: Record) -> Record:
        return self._metadata(call("CreateModel", request)["ModelArn"])

    def state(self, call: Caller, mark: str) -> State | None:
        if call.context.resources.get("model", call.region, mark) is None:
            return None
        described = call.insist("DescribeModel", {"ModelName": mark})
        return self._found(described["ModelArn"], properties=described)


class _ModelPackage(Made):
    """A version of a group, which is made when there is none of its name.

    Source: the published notebooks register into groups that nothing else makes, for example
    sagemaker-pipelines/tabular/abalone_build_train_deploy of amazon-sagemaker-examples.
    """

    metadata = "RegisterModel"

    def mark(self, execution_id: str, step: Step) -> str:
        del execution_id, step
        return str(uuid.uuid4())

    def request(self, arguments: Record, mark: str, tags: dict[str, str]) -> Record:
        del tags  # versions have no tags of their own
        return {**arguments, "ClientToken": mark}

    def make(self, call: Caller, request: Record) -> Record:
        group = request.get("ModelPackageGroupName")
        is_name = isinstance(group, str) and not group.startswith("arn:")
        if is_name and call.context.resources.get(GROUP, call.region, group) is None:
            call("CreateModelPackageGroup", {"ModelPackageGroupName": group})
        return self._metadata(call("CreateModelPackage", request)["ModelPackageArn"])

    def state(self, call: Caller, mark: str) -> State | None:
        for record in call.context.resources.all(PACKAGE, call.region):
            if record.get(CLIENT_TOKEN) == mark:
                arn = record["ModelPackageArn"]
                described = call.insist("DescribeModelPackage", {"ModelPackageName": arn})
                return self._found(arn, properties=described)
        return None


MADE: dict[str, Made] = {
    "Training": _Job("TrainingJob", "training-job"),
    "Processing": _Job("ProcessingJob", "processing-job"),
    "Model": _Model(),
    "RegisterModel": _ModelPackage(),
}


def _name(execution_id: str, step_name: str, prefix: Any) -> str:
    """Return a new name in AWS's form, at most 63 characters of letters, digits and hyphens.

    In lower case, as ARNs are here: the SDK takes the end of a job's ARN for its name.

    Args:
        execution_id: Of the execution.
        step_name: Of the step.
        prefix: What the definition names it, which the name begins with then (PipelineDefinitionConfig of
            the SDK, use_custom_job_prefix).
    """
    some = "".join(random.choices(string.ascii_lowercase + string.digits, k=_NUM_RANDOM_CHARS))
    if isinstance(prefix, str):
        end = f"-{execution_id}-{some}"
        return f"{_words(prefix, _MAX_NAME_CHARS - len(end))}{end}"
    return f"pipelines-{execution_id}-{_words(step_name, _MAX_STEP_CHARS)}-{some}"


def _words(name: str, max_chars: int) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower())[:max_chars].strip("-") or "step"


def tags_of(execution_arn: str, step_name: str) -> dict[str, str]:
    """Return the tags that AWS gives to what a step makes."""
    return {_EXECUTION_TAG: execution_arn, _STEP_TAG: step_name}


def _tagged(arguments: Record, tags: dict[str, str]) -> Record:
    given = [tag for tag in arguments.get("Tags", []) if tag.get("Key") not in tags]
    return {**arguments, "Tags": [*given, *({"Key": key, "Value": value} for key, value in tags.items())]}
