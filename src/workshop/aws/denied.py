"""What AWS refuses for want of a right: which action of IAM is missing, and which policy to amend.

Source: IAM User Guide, "Troubleshoot access denied error messages"; the answer to a HEAD has no body, so that
S3 names nothing there.
"""

from __future__ import annotations

import re
from typing import Any

PERSON_POLICY = "setup/iam/person-policy.json and person-policy-read.json"
EXECUTION_POLICY = "setup/iam/execution-role-policy.json"

_CODES = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AllAccessDisabled", "403")
_IN_MESSAGE = re.compile(r"not authorized to perform:? ([\w-]+:\w+)")
# Source: public issue threads that quote AWS's reasons for model data and for images that cannot be had.
_IN_REASON = re.compile(
    _IN_MESSAGE.pattern + r'|the role has "([\w-]+:\w+)" permission|does not have (BatchGetImage) permission'
)
_DENIED_IN_REASON = re.compile(r"(?i)access ?denied")
# Operation -> what a policy calls it, where that is not the service and the operation's own name.
_ACTIONS = {
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "CompleteMultipartUpload": "s3:PutObject",
    "CopyObject": "s3:PutObject (and s3:GetObject of what is copied)",
    "CreateMultipartUpload": "s3:PutObject",
    "DeleteObjects": "s3:DeleteObject",
    "HeadBucket": "s3:ListBucket (or the bucket is another account's)",
    "HeadObject": "s3:GetObject (s3:ListBucket, where there is no such object)",
    "ListBuckets": "s3:ListAllMyBuckets",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "ListObjectVersions": "s3:ListBucketVersions",
    "ListObjects": "s3:ListBucket",
    "ListObjectsV2": "s3:ListBucket",
    "ListParts": "s3:ListMultipartUploadParts",
    "UploadPart": "s3:PutObject",
}
# As requests are signed -> what actions begin with, where they differ.
_PREFIXES = {"monitoring": "cloudwatch", "tagging": "tag"}
_MARK = " [missing: "
_IN_ADVICE = re.compile(re.escape(_MARK) + "(.+?); ")
ADVICE = f"compare your policy with {PERSON_POLICY} (setup/README.md says how it is attached)"


def is_denied(code: str) -> bool:
    """Tell whether an error's code says that a right is missing."""
    return code in _CODES


def missing_action(message: str, operation: str, service: str) -> str:
    """Return the action that a policy lacks, as policies name it.

    Args:
        message: Of the error; most of AWS's name the action.
        operation: For example HeadBucket.
        service: As its actions begin, for where the message is silent.
    """
    named = _IN_ADVICE.search(message) or _IN_MESSAGE.search(message)
    return named[1] if named else _ACTIONS.get(operation, f"{service}:{operation}")


def refused_action(code: str, message: str, operation: str = "", service: str = "sagemaker") -> str:
    """Return the action that is missing where an error says so; "" for every other error."""
    if not is_denied(code) and not _IN_MESSAGE.search(message):
        return ""
    return missing_action(message, operation, service)


def advise(model: Any, parsed: dict[str, Any], **_: Any) -> None:
    """Add to an answer that refuses for want of a right which one is missing, and where it belongs.

    A handler of botocore's event after-call: the error says it whoever makes the call, the SDK included.
    """
    error = parsed.get("Error", {})
    if not is_denied(error.get("Code", "")):
        return
    service = model.service_model.signing_name
    action = missing_action(error.get("Message", ""), model.name, _PREFIXES.get(service, service))
    error["Message"] = f"{error.get('Message', '')}{_MARK}{action}; {ADVICE}]"


def without_advice(message: str) -> str:
    """Return AWS's own words of an error that `advise` has added to."""
    return message.partition(_MARK)[0]


def advice_for_role(reason: str) -> str:
    """Return what to do about a job or endpoint that AWS ended for want of a right; "" for another reason.

    Args:
        reason: FailureReason, as AWS describes it.
    """
    named = _IN_REASON.search(reason)
    if not named and not _DENIED_IN_REASON.search(reason):
        return ""
    action = next(filter(None, named.groups())) if named else "an action"
    action = f"ecr:{action}" if named and ":" not in action else action
    return f"the role that it runs as lacks {action}: compare its policy with {EXECUTION_POLICY}"
