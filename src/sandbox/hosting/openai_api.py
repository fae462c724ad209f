"""AWS's newer front door: OpenAI's client on an endpoint, with a bearer token in place of a signature.

    /endpoints/NAME/openai/v1/chat/completions
    /endpoints/NAME/inference-components/COMPONENT/openai/v1/chat/completions

The request goes to /v1/chat/completions of the container, and its answer comes back as the container writes
it. An error comes in OpenAI's envelope, which quotes what the container said.

Source: SageMaker Developer Guide, "Invoke endpoints with OpenAI-compatible APIs". What stdapi.ai measured on
an endpoint of AWS (stdapi/aws_sagemaker.py and its tests there): the errors of a container, without capacity
and without such an endpoint; that a signed request and the header of a component are refused.
"""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

from sandbox.api.errors import AwsError
from sandbox.hosting import bearer_token
from sandbox.hosting.request_headers import Invocation, checked_invocation

CONTAINER_PATH = "/v1/chat/completions"
_PATH = re.compile(
    r"/endpoints/(?P<endpoint>[^/]+)(?:/inference-components/(?P<component>[^/]+))?/openai/v1(?P<rest>/.*)?"
)
_OFFERED = "/chat/completions"
# Code of an AwsError -> type and code in OpenAI's envelope; the last three are not known of AWS.
_ENVELOPE = {
    "ModelError": ("server_error", "model_error"),
    "ValidationError": ("invalid_request_error", "validation_error"),
    "AccessDeniedException": ("invalid_request_error", "access_denied"),
    "UnknownOperationException": ("invalid_request_error", "unknown_operation"),
    "413": ("invalid_request_error", "request_too_large"),
}


def is_asked(environ: dict[str, Any]) -> bool:
    """Tell whether a request is for this front door."""
    return _PATH.fullmatch(environ["PATH_INFO"]) is not None


def checked_request(environ: dict[str, Any]) -> tuple[str, str, Invocation]:
    """Return endpoint, region and invocation of a request.

    Raises:
        AwsError: Another path or method than AWS documents, a token that is not valid, a header that is not
            allowed here.
    """
    asked = _PATH.fullmatch(environ["PATH_INFO"])
    if (environ["REQUEST_METHOD"], asked["rest"]) != ("POST", _OFFERED):
        raise AwsError(
            "UnknownOperationException",
            f"found {environ['REQUEST_METHOD']} {asked['rest'] or '/'} below /openai/v1; of OpenAI's API an"
            f" endpoint offers POST {_OFFERED} alone. Whatever else the container answers is asked for by"
            " InvokeEndpoint.",
            status=404,
        )
    region = bearer_token.region_of(environ.get("HTTP_AUTHORIZATION"))
    invocation = checked_invocation("InvokeEndpoint", environ)
    if invocation.component is not None:
        raise AwsError(
            "ValidationError",
            "The header X-Amzn-SageMaker-Inference-Component is not allowed on this path; name the component"
            " in it: /endpoints/NAME/inference-components/COMPONENT/openai/v1.",
        )
    invocation = dataclasses.replace(invocation, path=CONTAINER_PATH, component=asked["component"])
    return asked["endpoint"], region, invocation


def error_answer(error: AwsError) -> tuple[int, bytes]:
    """Return status and body of an error: a container's own status, where one has answered."""
    kind, code = _ENVELOPE[error.code]
    status = error.extra.get("OriginalStatusCode", 0)
    body = {"error": {"message": error.message, "type": kind, "code": code}}
    return (status if status >= 400 else error.status), json.dumps(body).encode()
