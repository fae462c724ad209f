"""What a rule's target asks for, and the start of the pipeline that it is.

Source: API reference, Target; EventBridge User Guide, "Event bus targets" (a value of a parameter may be a
JSON path into the event, and is then one as a whole), "Retry policy".
"""

from __future__ import annotations

import json
import re
import uuid
from typing import TYPE_CHECKING, Any

from sandbox.api.errors import AwsError, validation_error
from sandbox.api.registry import ACCOUNT_ID
from sandbox.events.api import rule_arn
from sandbox.pipelines.calls import Caller, is_fault, is_throttled

if TYPE_CHECKING:
    from sandbox.context import Context

SERVICE = "events.amazonaws.com"
_PIPELINE = re.compile(r"arn:aws:sagemaker:([a-z0-9-]+):(\d{12}):pipeline/[A-Za-z0-9-]+")
_ROLE = re.compile(r"arn:aws:iam::\d{12}:role/(?:.+/)?([^/]+)")
_PATH = re.compile(r"\$(?:\.[A-Za-z0-9_-]+|\[\d+\])+")
_PART = re.compile(r"\.([A-Za-z0-9_-]+)|\[(\d+)\]")
_DYNAMIC = "$."


def check(region: str, target: dict[str, Any]) -> None:
    """Refuse what a rule here could not start.

    Raises:
        AwsError: ValidationException.
    """
    arn, found = target["Arn"], _PIPELINE.fullmatch(target["Arn"])
    if found is None:
        raise validation_error(
            f"The sandbox starts SageMaker pipelines only, not {arn} (src/sandbox/README.md)."
        )
    if found.groups() != (region, ACCOUNT_ID):
        raise validation_error(
            f"Parameter {arn} is not valid. Reason: a pipeline must be of the rule's region and account."
        )
    if "RoleArn" not in target:
        raise validation_error(f"RoleArn is required for target {arn}.")
    if not _ROLE.fullmatch(target["RoleArn"]):
        raise validation_error(f"Parameter {target['RoleArn']} is not valid. Reason: it is no role's ARN.")
    for name, value in _parameters(target).items():
        if value.startswith(_DYNAMIC) and not _PATH.fullmatch(value):
            raise validation_error(
                f"Invalid JSON path {value} of parameter {name}: names after dots and numbers in brackets."
            )


def start(context: Context, region: str, rule: str, target: dict[str, Any], event: dict[str, Any]) -> str:
    """Start the pipeline of a target with its role, and return the execution's ARN.

    A start that is repeated, because its answer was lost, starts nothing a second time.

    Raises:
        AwsError: It was not started.
    """
    context.authorization.check_assumed(
        target["RoleArn"],
        SERVICE,
        {"aws:sourceaccount": [ACCOUNT_ID], "aws:sourcearn": [rule_arn(region, rule)]},
    )
    token = uuid.uuid5(uuid.NAMESPACE_URL, f"{event['id']} {rule_arn(region, rule)} {target['Id']}")
    request = {
        "PipelineName": target["Arn"],
        "ClientRequestToken": str(token),
        "PipelineParameters": [
            {"Name": name, "Value": _value(name, value, event)} for name, value in _parameters(target).items()
        ],
    }
    return Caller(context, region)("StartPipelineExecution", request)["PipelineExecutionArn"]


def may_pass(error: AwsError) -> bool:
    """Tell whether the same start may succeed later: EventBridge repeats those of a 429 or a 5xx."""
    return is_throttled(error) or is_fault(error)


def _parameters(target: dict[str, Any]) -> dict[str, str]:
    given = target.get("SageMakerPipelineParameters", {}).get("PipelineParameterList", [])
    return {each["Name"]: each["Value"] for each in given}


def _value(name: str, value: str, event: Any) -> str:
    """Return the value of a parameter, out of the event where it is a path.

    Raises:
        AwsError: The path leads nowhere. What AWS does then is not published.
    """
    if not value.startswith(_DYNAMIC):
        return value
    found = event
    try:
        for member, number in _PART.findall(value):
            found = found[member] if member else found[int(number)]
    except (KeyError, IndexError, TypeError):
        raise validation_error(f"The event has nothing at {value}, for parameter {name}.") from None
    return found if isinstance(found, str) else json.dumps(found)
