"""Requests to the services that speak JSON or forms, checked before moto sees them.

Only what botocore's model of the operation says of types and of required members: ranges and patterns are
moto's to check. Of the operations on alarms also whether something is done with every member.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from typing import Any
from urllib.parse import parse_qsl

from sandbox.api import fields
from sandbox.api.constraints import seconds, violations
from sandbox.api.errors import AwsError
from sandbox.api.service_model import operation_names, service_model

MAX_BODY_BYTES = 8 << 20
MAX_LAYER_PART_BYTES = 29 << 20
"""Of the request: a part of a layer has 20 MiB at most, a third more in base64."""
# Service as requests are signed for it -> its name in botocore.
_NAMES = {"monitoring": "cloudwatch"}
_QUERY = ("iam", "monitoring", "sts")
_UNSIGNED = ("AssumeRoleWithSAML", "AssumeRoleWithWebIdentity")
_OF_EVERY_FORM = ("Action", "Version")
_MISSING = "Value null at"
# What they say of a member that is not there, where it is not InvalidParameterException.
_VALIDATION = {"secretsmanager": "ValidationException", "monitoring": "ValidationException"}


def check(environ: dict[str, Any], service: str) -> None:
    """Make sure that moto can read a request; its body is whole and unpacked afterwards.

    Raises:
        AwsError: It is too large, not in the protocol of the service, or not what the operation takes.
    """
    raw = _unpacked(environ, MAX_LAYER_PART_BYTES if service == "ecr" else MAX_BODY_BYTES)
    environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(raw), str(len(raw))
    if environ.get("HTTP_SMITHY_PROTOCOL"):
        raise AwsError("UnknownOperationException", f"The sandbox's {service} does not speak Smithy RPC.")
    name = _NAMES.get(service, service)
    target = environ.get("HTTP_X_AMZ_TARGET")
    if target is not None:
        _check_json(name, target.rpartition(".")[2], raw, _VALIDATION.get(service))
    elif service in _QUERY:
        _check_query(name, environ, raw)
    else:
        raise AwsError("UnknownOperationException", f"{service} needs the header X-Amz-Target.")


def _check_json(service: str, operation: str, raw: bytes, code: str | None) -> None:
    if operation not in operation_names(service):
        raise AwsError("UnknownOperationException", f"{service} has no operation {operation[:100]!r}.")
    try:
        request = json.loads(raw.decode("utf-8") or "{}", parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise AwsError("SerializationException", "The request body is not JSON in UTF-8.") from None
    _check_members(service, operation, request, code or "InvalidParameterException")


def _check_query(service: str, environ: dict[str, Any], raw: bytes) -> None:
    try:
        # As moto reads it: a form wins over the query, and the first value over the next.
        pairs = parse_qsl(f"{environ.get('QUERY_STRING', '')}&{raw.decode('utf-8')}", keep_blank_values=True)
    except ValueError:
        raise AwsError("MalformedInput", "The request body is not a form in UTF-8.") from None
    values: dict[str, str] = {}
    for name, value in pairs:
        values.setdefault(name, value)
    operation = values.get("Action")
    if not operation:
        raise AwsError("MissingAction", "The request must contain the parameter Action.")
    if operation not in operation_names(service):
        raise AwsError("InvalidAction", f"Could not find operation {operation[:100]!r} of {service}.")
    is_signed = bool(environ.get("HTTP_AUTHORIZATION")) or "X-Amz-Credential" in values
    if not (is_signed or operation in _UNSIGNED):
        raise AwsError("MissingAuthenticationToken", "Request is missing Authentication Token", status=403)
    try:
        request = {**_unknown(service, operation, values), **_parsed(service, operation, values)}
        _check_members(service, operation, request, "ValidationError")
    except (ValueError, OverflowError) as problem:
        raise AwsError("MalformedInput", f"A parameter of {operation} cannot be read: {problem}") from None
    except AwsError as error:
        code = "MalformedInput" if error.code == "SerializationException" else error.code
        raise AwsError(code, error.message) from None


def _parsed(service: str, operation: str, values: dict[str, str]) -> dict[str, Any]:
    """Return the members of a form as moto will read them.

    Raises:
        ValueError, OverflowError: A number or a time is none.
    """
    from moto.core.parse import QueryParser
    from moto.core.utils import get_service_model

    model = get_service_model(service).operation_model(operation)
    parser = QueryParser(model, timestamp_parser=_seconds, blob_parser=str)
    return parser.parse({"values": values})


def _unknown(service: str, operation: str, values: dict[str, str]) -> dict[str, str]:
    """Return the members of a form that botocore's model of the operation does not have."""
    shape = service_model(service).operation_model(operation).input_shape
    known = {*_OF_EVERY_FORM, *(shape.members if shape else ())}
    return {
        name: value
        for name, value in values.items()
        if name.partition(".")[0] not in known and not name.startswith("X-Amz-")
    }


def _check_members(service: str, operation: str, request: Any, code: str) -> None:
    shape = service_model(service).operation_model(operation).input_shape
    if shape is None:
        return
    missing = [each for each in violations(shape, request) if each.startswith(_MISSING)]
    if missing:
        count = f"{len(missing)} validation error{'s' if len(missing) > 1 else ''} detected"
        raise AwsError(code, f"{count}: {'; '.join(missing)}")
    refused = fields.is_accounted_for(service, operation) and fields.refused_members(
        operation, request, service
    )
    if refused:
        raise AwsError(code, fields.refusal(refused))


def _seconds(text: str) -> float:
    try:
        time = float(text)
    except ValueError:
        time = text
    found = seconds(time)
    if found is None:
        raise ValueError(f"{text!r} is not a time")
    return found


def _unpacked(environ: dict[str, Any], max_bytes: int) -> bytes:
    raw = environ["wsgi.input"].read(max_bytes + 1)
    if environ.get("HTTP_CONTENT_ENCODING") == "gzip":
        try:
            raw = gzip.GzipFile(fileobj=io.BytesIO(raw)).read(max_bytes + 1)
        except (OSError, EOFError, zlib.error):
            raise AwsError("SerializationException", "The request body is not gzip.") from None
        del environ["HTTP_CONTENT_ENCODING"]
    if len(raw) > max_bytes:
        raise AwsError("RequestEntityTooLargeException", f"More than {max_bytes} bytes.", status=413)
    return raw


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
