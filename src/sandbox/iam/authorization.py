"""Notes what callers ask permission for, and refuses what their policies do not allow once there are some.

    HOME/calls.jsonl          every action and resource that was asked for, once each, and by whom
    PUT /_sandbox/policies    {"person": [POLICY, ...], "execution": [POLICY, ...]}: from now on they count
    DELETE /_sandbox/policies none any more, as at the start: everybody may do everything

A person is who calls; the execution role is who jobs and containers are, and SageMaker on their behalf.
"""

from __future__ import annotations

import json
import re
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from sandbox.api.errors import AwsError, validation_error
from sandbox.api.registry import ACCOUNT_ID
from sandbox.iam.conditions import Context
from sandbox.iam.policies import ALLOWED, EXPLICIT_DENY, Policy, decide, read
from sandbox.iam.requested import Requested, requested
from sandbox.other_services import signed_for

PERSON, EXECUTION = "person", "execution"
FILE_NAME = "calls.jsonl"
_KEY = re.compile("Credential=([^/]+)/")
KEY_OF_JOBS = "sandbox"
_BY_JOBS = f"Credential={KEY_OF_JOBS}/"
_CALLER = f"arn:aws:sts::{ACCOUNT_ID}:assumed-role/workshop-sample/sandbox"
_QUERY_OR_XML = (None, "s3", "iam", "sts", "monitoring")
_FORBIDDEN = 403


class Authorization:
    """The one place that every request passes.

    Args:
        home: The sandbox's home.
    """

    def __init__(self, home: Path) -> None:
        self._path = home / FILE_NAME
        self._lock = threading.Lock()
        self._policies: dict[str, list[Policy]] | None = None
        self._noted = {(each["who"], each["action"], each["resource"]) for each in read_calls(self._path)}

    def check(self, environ: dict[str, Any]) -> None:
        """Note what a request asks for.

        Raises:
            AwsError: Policies count, and allow it not; in AWS's words.
        """
        who = EXECUTION if _BY_JOBS in environ.get("HTTP_AUTHORIZATION", "") else PERSON
        asked = requested(environ)
        new = [each for each in asked if (who, each.action, each.resource) not in self._noted]
        if new:
            self._note(who, new)
        if self._policies is None:
            return
        service, region = signed_for(environ)
        errors, common = [], {"aws:requestedregion": [region], **_username(environ)}
        for each in asked:
            context: Context = {**common, **each.context}
            decision = decide(self._policies[who], each.action, each.resource, context)
            if decision.effect != ALLOWED:
                errors.append(_refusal(each, decision.effect, service, environ["PATH_INFO"]))
        if errors and service == "s3" and environ["REQUEST_METHOD"] == "POST" and "delete" in _query(environ):
            raise KeysRefusedError(asked, errors[0])
        if errors:
            raise errors[0]

    def check_assumed(self, role_arn: str, service: str, context: Context) -> None:
        """Make sure that a service may be a role, when policies count.

        Args:
            service: For example events.amazonaws.com.
            context: What conditions of the role's trust policy may ask for.

        Raises:
            AwsError: There is no such role, or its trust policy does not allow it.
        """
        if self._policies is None:
            return
        from sandbox.iam import roles

        if not roles.may_be_assumed(role_arn.rpartition("/")[2], service, context):
            raise AwsError(
                "AccessDeniedException",
                f"{service} is not authorized to perform: sts:AssumeRole on resource: {role_arn}",
            )

    def add(self, given: Any) -> None:
        """Let policies count; those of before are forgotten.

        Raises:
            AwsError: They are not lists of policies by who they are for.
        """
        try:
            self._policies = {
                who: [
                    read(f"{who}.{number}", "none", json.dumps(each))
                    for number, each in enumerate(given[who], 1)
                ]
                for who in (PERSON, EXECUTION)
            }
        except (KeyError, TypeError, ValueError) as problem:
            raise validation_error(f"expected policies of {PERSON} and of {EXECUTION}: {problem}") from None

    def clear(self) -> None:
        """Let everybody do everything."""
        self._policies = None

    def listed(self) -> dict[str, int]:
        """Return how many policies count, by who they are for; nothing while everybody may do everything."""
        return {who: len(policies) for who, policies in (self._policies or {}).items()}

    def _note(self, who: str, new: list[Requested]) -> None:
        with self._lock:
            lines = []
            for each in new:
                call = (who, each.action, each.resource)
                if call not in self._noted:
                    self._noted.add(call)
                    lines.append(json.dumps(dict(zip(("who", "action", "resource"), call, strict=True))))
            # What a full disk means for a call, the call itself says.
            with suppress(OSError), self._path.open("a", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in lines)


def read_calls(path: Path) -> list[dict[str, str]]:
    """Return what a sandbox has noted; a line that was cut off is left out."""
    calls = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            calls.append(json.loads(line))
        except ValueError:
            continue
    return calls


class KeysRefusedError(AwsError):
    """S3's answer to DeleteObjects: 200, with an error for every key that may not be deleted.

    None is deleted when one of them may not be: what the workshop deletes at once is one group.
    """

    def __init__(self, asked: list[Requested], error: AwsError) -> None:
        super().__init__(error.code, error.message, status=200)
        self._keys = [each.resource.partition("/")[2] for each in asked]

    def xml_body(self, service: str | None) -> bytes:
        error = f"<Code>{escape(self.code)}</Code><Message>{escape(self.message)}</Message>"
        errors = "".join(f"<Error><Key>{escape(key)}</Key>{error}</Error>" for key in self._keys)
        return f'<?xml version="1.0" encoding="UTF-8"?>\n<DeleteResult>{errors}</DeleteResult>'.encode()


def _refusal(asked: Requested, effect: str, service: str | None, path: str) -> AwsError:
    """Return AWS's error for an action that no policy allows.

    Source: IAM User Guide, "Troubleshoot access denied error messages"; Amazon S3 User Guide, "Troubleshoot
    access denied (403 Forbidden) errors".
    """
    why = (
        "with an explicit deny in an identity-based policy"
        if effect == EXPLICIT_DENY
        else f"because no identity-based policy allows the {asked.action} action"
    )
    resource = f'"{asked.resource}"' if service == "s3" else asked.resource
    message = f"User: {_CALLER} is not authorized to perform: {asked.action} on resource: {resource} {why}"
    is_invocation = path.startswith("/endpoints/")
    if service in _QUERY_OR_XML and not is_invocation:
        return AwsError("AccessDenied", message, status=_FORBIDDEN)
    return AwsError("AccessDeniedException", message, status=_FORBIDDEN if is_invocation else 400)


def _username(environ: dict[str, Any]) -> Context:
    """Return the name of the user whose key has signed a request, for policies that speak of oneself."""
    key, models = _KEY.search(environ.get("HTTP_AUTHORIZATION", "")), sys.modules.get("moto.iam.models")
    if not key or not models:
        return {}
    user = models.iam_backends[ACCOUNT_ID]["aws"].get_user_from_access_key_id(key[1])
    return {"aws:username": [user.name]} if user else {}


def _query(environ: dict[str, Any]) -> dict[str, list[str]]:
    return parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
