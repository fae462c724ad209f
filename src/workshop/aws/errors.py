"""AWS's error responses about endpoints and inference components, with what to do next.

with explained("tgi"):
    runtime.invoke_endpoint(...)      # AWS's error becomes three lines: found, expected, do next
    client.chat.completions.create()  # so does that of an endpoint called by OpenAI's client
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from workshop.aws.denied import ADVICE, refused_action, without_advice
from workshop.errors import WorkshopError
from workshop.inference.error_responses import endpoint_error, response_error

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from openai import APIStatusError

# What a container has answered, as an error of OpenAI's form quotes it.
_QUOTED = re.compile(
    r'^Received \w+ error \((?P<status>\d+)\) from \S+ with message "(?P<body>.*)"\. See ', re.S
)

# A token that is not valid is refused with the same code as a right that is missing.
_IS_OF_TOKEN = re.compile(r"Authentication failed|Bearer Token")

# What AWS says (its code and message) -> what is expected, what to do next; the first that is found counts.
# Source: public issue threads and SDK code that quote these messages; the sandbox's own follow them.
_ADVICE: tuple[tuple[str, str, str], ...] = (
    (
        r"Authentication failed|Bearer Token|CallWithBearerToken",
        "a bearer token that is valid now, for this region, of credentials that may use it",
        "run the cell that makes the client again (a token lasts 12 hours at most); on AWS your role needs "
        "sagemaker:CallWithBearerToken and sagemaker:InvokeEndpoint",
    ),
    (
        r"has no capacity to process this request",
        "at least one copy of the component in service",
        "wait and call again: with a step policy on NoCapacityInvocationFailures a copy comes by itself "
        "within minutes; without one call UpdateInferenceComponentRuntimeConfig",
    ),
    (
        r"not enough hardware resources",
        "room for a copy on the endpoint's instances: GPUs, CPU cores and memory of its compute requirements",
        "lower the compute requirements (host memory first: far less than the instance's can be reserved), "
        "delete another component, or raise MaxInstanceCount in the endpoint's configuration",
    ),
    (
        r"MaximumBatchSize",
        "at most half of the copies in a batch, so that the others answer meanwhile",
        "lower MaximumBatchSize, or have more copies first",
    ),
    (
        r"(?i)accelerator",
        "at most as many accelerators (GPUs) for a copy as the instance type has",
        "lower NumberOfAcceleratorDevicesRequired (component_num_gpus in workshop.yaml), or take a larger "
        "endpoint_instance_type",
    ),
    (
        r"(?i)environment",
        "at most 16 variables for the container of an inference component",
        "leave out those that repeat a default, or set them on a Model and name it in the component",
    ),
    (
        r"(?i)adapter|BaseInferenceComponentName",
        "an adapter component: a base that is in service and no adapter itself, ArtifactUrl, and no compute",
        "name the component that holds the base model, and leave everything but the adapter's archive out",
    ),
    (
        r"(?i)(has|have|with|contains|associated|delete).{0,60}inference components?\b.{0,200}endpoint"
        r"|endpoint.{0,200}(has|have|contains|associated).{0,60}inference components?",
        "an endpoint without inference components",
        "delete its components first, adapters before their base, and wait until they are gone: "
        "workshop.endpoint.deletion.delete_components does that",
    ),
    (
        r"(?i)in state [A-Z_]*(IN_PROGRESS)"
        r"|Cannot (update|delete) (in-progress )?(endpoint|inference component)"
        r"|currently being (created|updated|deleted)|status.{0,40}(Creating|Updating|Deleting)",
        "a resource that nothing else is changing",
        "wait until it is InService (or Failed), then call again",
    ),
    (
        r"(?i)could not find|not found|does not exist",
        "a resource of that name in this account and region, in service",
        "run the cells that create it and wait for it; a component is invoked once it is InService",
    ),
    (
        r"(?i)not (yet )?in ?service|not ready",
        "a component (or an endpoint) that is InService",
        "run the cell that waits for it, then call again",
    ),
    (
        r"(?i)already exist",
        "a name that is not taken",
        "run the cells that describe it: it is there already; or delete it first",
    ),
    (
        r"ResourceLimitExceeded",
        "a quota for this instance type that is not used up",
        "ask for more under Service Quotas, or delete what runs, or take another endpoint_instance_type",
    ),
    (
        r"InsufficientInstanceCapacity|Unable to provision",
        "a free instance of this type in the region",
        "try again later, or take another endpoint_instance_type in workshop.yaml (g6 or g6e in place of g5)",
    ),
    (
        r"Throttling|Rate exceeded",
        "fewer calls a second",
        "wait a moment, then run the cell again",
    ),
)


def explain(error: ClientError, engine: str | None = None) -> WorkshopError:
    """Return the three lines for an error of AWS.

    Args:
        error: What boto3 has raised.
        engine: A name of ENGINES where a container may have refused (ModelError); None elsewhere.
    """
    code, message = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
    if code == "ModelError" and engine is not None:
        return endpoint_error(engine, error)
    action = "" if _IS_OF_TOKEN.search(message) else refused_action(code, message, error.operation_name)
    message = without_advice(message)
    found = f"{error.operation_name} was refused ({code}): {message}"
    return _lacking(found, action) if action else _advised(found, f"{code}: {message}")


def explain_openai(error: APIStatusError, engine: str | None = None) -> WorkshopError:
    """Return the three lines for an endpoint's answer to OpenAI's client.

    Args:
        error: What the client has raised.
        engine: As in `explain`.
    """
    body = error.body if isinstance(error.body, dict) else {}
    message = str(body.get("message") or error.message)
    quoted = _QUOTED.match(message)
    if quoted and engine is not None:
        return response_error(engine, int(quoted["status"]), quoted["body"])
    found = f"OpenAI's client was refused ({error.status_code} {error.code}): {message}"
    action = refused_action("", message)
    return _lacking(found, action) if action else _advised(found, message)


def _lacking(found: str, action: str) -> WorkshopError:
    return WorkshopError(
        found=found,
        expected=f"credentials whose policy allows {action}",
        next_step=f"{ADVICE}; what it lacks an administrator grants",
    )


def _advised(found: str, said: str) -> WorkshopError:
    expected, next_step = "a call that AWS accepts", "correct what it names, then run the cell again"
    for pattern, expectation, advice in _ADVICE:
        if re.search(pattern, said):
            expected, next_step = expectation, advice
            break
    return WorkshopError(found=found, expected=expected, next_step=next_step)


@contextmanager
def explained(engine: str | None = None) -> Iterator[None]:
    """Turn an error of AWS in the block into one that says what to do next.

    Args:
        engine: As in `explain`.

    Raises:
        WorkshopError: AWS, or a container behind it, refused a call.
    """
    from botocore.exceptions import ClientError

    try:
        yield
    except ClientError as error:
        raise explain(error, engine) from None
    except _openai_errors() as error:
        raise explain_openai(error, engine) from None


def _openai_errors() -> tuple[type[Exception], ...]:
    """Return what OpenAI's client raises for an answer with an error; none while no cell has imported it."""
    module = sys.modules.get("openai")
    return (module.APIStatusError,) if module else ()
