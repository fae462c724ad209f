"""Handlers of botocore that tag and note everything that is created through a boto3 session.

They are set on the session before its first client exists: every client takes over its session's handlers,
those that the SageMaker SDK makes included.

Source: botocore's events provide-client-params, before-call, after-call and after-call-error
("Extensibility guide", boto3 documentation).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workshop.aws.ledger import Ledger

_CONTEXT_KEY = "korean_news_ledger_token"
# Operations outside SageMaker that make or end something -> kind and the parameter with its name (or names).
_ELSEWHERE = {
    "CreateBucket": ("Bucket", "Bucket"),
    "DeleteBucket": ("Bucket", "Bucket"),
    "PutMetricAlarm": ("Alarm", "AlarmName"),
    "DeleteAlarms": ("Alarm", "AlarmNames"),
    "RegisterScalableTarget": ("ScalableTarget", "ResourceId"),
    "DeregisterScalableTarget": ("ScalableTarget", "ResourceId"),
    "PutDashboard": ("Dashboard", "DashboardName"),
    "DeleteDashboards": ("Dashboard", "DashboardNames"),
    "PutRule": ("Rule", "Name"),
    "DeleteRule": ("Rule", "Name"),
    "CreateRepository": ("Repository", "repositoryName"),
    "DeleteRepository": ("Repository", "repositoryName"),
}
_SERVICES = ("sagemaker", "s3", "cloudwatch", "application-auto-scaling", "ecr", "eventbridge")
_MAKES = ("Create", "Put", "Register")
_TAGGED = ("Create", "PutDashboard", "PutRule")
_ENDINGS = ("Delete", "Stop")


def note_and_tag(events: Any, ledger: Ledger, tags: Mapping[str, str], region: str) -> None:
    """Tag what a session creates and note it in a ledger.

    Args:
        events: `boto3.Session.events`.
        ledger: Gets a pending row before each Create request, and its outcome after it.
        tags: Added where the operation knows tags and the request does not set the same key.
        region: Written to the ledger.
    """
    handlers = _Handlers(ledger, tags, region)
    for service in _SERVICES:
        events.register(f"before-parameter-build.{service}", handlers.before_build)
        events.register(f"before-call.{service}", handlers.before_call)
        events.register(f"after-call.{service}", handlers.after_call)
        events.register(f"after-call-error.{service}", handlers.after_call_error)


class _Handlers:
    def __init__(self, ledger: Ledger, tags: Mapping[str, str], region: str) -> None:
        self._ledger, self._tags, self._region = ledger, tags, region

    def before_build(self, params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
        """Add the tags, and keep kind and name for the other handlers."""
        subject = _subject(model, params)
        if subject is None:
            return
        member = _tags_member(model) if model.name.startswith(_TAGGED) else None
        if member:
            # a new list: the caller's own must not grow
            given = list(params.get(member) or [])
            keys = {tag.get("Key") for tag in given}
            added = [{"Key": key, "Value": value} for key, value in self._tags.items() if key not in keys]
            params[member] = given + added
        if model.name == "PutMetricAlarm" and not params.get("AlarmDescription"):
            # Its tags would ask for a right that AmazonSageMakerFullAccess has not: cloudwatch:TagResource.
            params["AlarmDescription"] = mark_of(self._tags)
        context[_CONTEXT_KEY] = {"subject": subject, "tags": params.get(member or "") or []}

    def before_call(self, model: Any, context: dict[str, Any], **_: Any) -> None:
        """Note a Create request: after its parameters were found valid, before it is sent."""
        noted = context.get(_CONTEXT_KEY)
        if noted and model.name.startswith(_MAKES):
            tags = {tag["Key"]: tag["Value"] for tag in noted["tags"]}
            noted["token"] = self._ledger.begin(*noted["subject"], self._region, tags)

    def after_call(self, model: Any, parsed: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        """Note AWS's answer."""
        noted = context.get(_CONTEXT_KEY)
        if not noted:
            return
        error = parsed.get("Error", {}).get("Code", "")
        request_id = parsed.get("ResponseMetadata", {}).get("RequestId", "")
        if "token" not in noted:
            kind, names = noted["subject"]
            for name in () if error else names if isinstance(names, list) else [names]:
                self._ledger.ended(kind, name, model.name)
        elif error:
            self._ledger.failed(noted["token"], error, request_id)
        else:
            self._ledger.created(noted["token"], _arn(parsed), request_id)

    def after_call_error(self, exception: Exception, context: dict[str, Any], **_: Any) -> None:
        """Note that no answer came."""
        noted = context.get(_CONTEXT_KEY)
        if noted and "token" in noted:
            self._ledger.unanswered(noted["token"], type(exception).__name__)


def mark_of(tags: Mapping[str, str]) -> str:
    """Return the description that an alarm has in place of tags."""
    return ", ".join(f"{key}={value}" for key, value in tags.items())


def _subject(model: Any, params: Mapping[str, Any]) -> tuple[str, Any] | None:
    """Return kind and name of what an operation makes or ends; None for one that does neither.

    One that ends several has a list of names.
    """
    if model.service_model.service_name != "sagemaker":
        if model.name not in _ELSEWHERE:
            return None
        kind, parameter = _ELSEWHERE[model.name]
        return kind, params.get(parameter, "")
    verb = next((verb for verb in ("Create", *_ENDINGS) if model.name.startswith(verb)), None)
    if verb is None:
        return None
    kind = model.name.removeprefix(verb)
    if kind == "ModelPackage" and "ModelPackageGroupName" in params:
        return None  # a version goes with its group, whose tags it has: AWS refuses others
    if f"{kind}Name" in params:
        return kind, str(params[f"{kind}Name"])
    members = getattr(model.input_shape, "required_members", [])
    # What has no name in a request is known by its ARN: DeleteMlflowApp.
    given = [member for ending in ("Name", "Arn") for member in members if member.endswith(ending)]
    return kind, str(next((params[member] for member in given if member in params), ""))


def _tags_member(model: Any) -> str | None:
    """Return the member of a request that takes tags of the form [{"Key": ..., "Value": ...}], if any."""
    members = model.input_shape.members if model.input_shape else {}
    for name in ("Tags", "tags"):
        shape = members.get(name)
        if shape is not None and shape.type_name == "list" and "Key" in getattr(shape.member, "members", {}):
            return name
    return None


def _arn(parsed: Mapping[str, Any]) -> str:
    """Return the ARN of an answer, which ECR's has one level lower."""
    for each in (parsed, *(value for value in parsed.values() if isinstance(value, dict))):
        for key, value in each.items():
            if key.endswith("Arn") and isinstance(value, str):
                return value
    return ""
