"""What is wrong when no answer comes, or one of no use: go on to the next rung, or tell the caller.

| why | what it is | sent once more | breaker |
|---|---|---|---|
| throttled | ThrottlingException; 429 of the container, "Model is overloaded" | yes | counts |
| no capacity | a component without copies; ServiceUnavailable, InternalFailure, ModelNotReady | no | counts |
| timed out | connecting, reading, or the container took longer than AWS waits | no: it is paid for | counts |
| broken connection | refused, reset, closed before the answer's end | yes | counts |
| model failed | the container's 5xx, no answer of it, an answer in no known form | no | counts |
| too long | the container's 4xx about its limits of tokens; AWS's 413 | no | no |
| empty, cut, refused | an answer of no use | no | no |

An answer of no use says nothing about the next caller's, so that no breaker counts it: else one person's
questions would take the model away from everybody.
"""

from __future__ import annotations

import http.client
from dataclasses import dataclass

from workshop.aws.denied import is_denied
from workshop.aws.errors import explain
from workshop.errors import WorkshopError
from workshop.inference.answers import Answer, InferenceError
from workshop.inference.error_responses import endpoint_error

THROTTLED, NO_CAPACITY, TIMED_OUT = "throttled", "no capacity", "timed out"
BROKEN, FAILED, TOO_LONG = "broken connection", "model failed", "too long"
EMPTY, CUT, REFUSED = "empty", "cut", "refused"
ANSWERED = "answered"
BREAKER_OPEN, NO_TIME, CROWDED = "breaker open", "no time left", "too many under way"
TAKES_NO_MORE = "takes no longer text"

REPEATABLE = frozenset({THROTTLED, BROKEN})
COUNTED = frozenset({THROTTLED, NO_CAPACITY, TIMED_OUT, BROKEN, FAILED})
NOT_SENT = frozenset({BREAKER_OPEN, NO_TIME, CROWDED, TAKES_NO_MORE})

_OF_AWS = {
    "ThrottlingException": THROTTLED,
    "Throttling": THROTTLED,
    "TooManyRequestsException": THROTTLED,
    "RequestLimitExceeded": THROTTLED,
    "ServiceUnavailable": NO_CAPACITY,
    "InternalFailure": NO_CAPACITY,
    "InternalServerException": NO_CAPACITY,
    "InternalDependencyException": NO_CAPACITY,
    "ModelNotReadyException": NO_CAPACITY,
    "RequestTimeout": TIMED_OUT,
    "413": TOO_LONG,
}
_NO_COPIES = "has no capacity to process this request"
# Of a container that did not end in time, by its status 0 and these words; a stream has the code itself.
_OUT_OF_TIME = ("invocation timed out", "ModelInvocationTimeExceeded")


@dataclass(frozen=True)
class Failure:
    """Why an attempt brought no answer.

    Attributes:
        why: One of this module's words.
        text: What was said, for a person.
        has_worked: Whether the model may have worked on it, so that time of its machine is paid for. What is
            turned away at the door, or never got there, costs nothing.
    """

    why: str
    text: str = ""
    has_worked: bool = True


def failure_of(error: BaseException, engine: str) -> Failure:
    """Return why an error lets the next rung answer.

    Args:
        error: What asking a rung has raised.
        engine: A name of ENGINES, whose words the container uses.

    Raises:
        WorkshopError: It is the caller's own: a right that is missing, a name that is not there, a body or a
            parameter in another form. The next rung would hide it.
        BaseException: The error itself, when it is none of a request.
    """
    from botocore import exceptions as boto

    name = type(error).__name__
    if isinstance(error, boto.ClientError):
        return _of_client_error(error, engine)
    if isinstance(error, InferenceError):
        return _of_inference_error(error)
    if isinstance(error, boto.ConnectTimeoutError):
        return Failure(TIMED_OUT, name, has_worked=False)
    if isinstance(error, boto.EndpointConnectionError):
        return Failure(BROKEN, name, has_worked=False)
    if isinstance(error, (boto.ReadTimeoutError, TimeoutError)):
        return Failure(TIMED_OUT, name)
    broken = (boto.HTTPClientError, boto.ConnectionError)
    broken += (boto.ResponseStreamingError, boto.IncompleteReadError)
    if isinstance(error, (*broken, ConnectionError, http.client.HTTPException)):
        # botocore wraps a body's time-out, too.
        kind = TIMED_OUT if "timed out" in str(error).lower() else BROKEN
        return Failure(kind, name)
    if isinstance(error, boto.EventStreamError):
        kind = TIMED_OUT if _OUT_OF_TIME[1] in str(error) else FAILED
        return Failure(kind, str(error))
    if isinstance(error, (boto.NoCredentialsError, boto.ParamValidationError)):
        raise WorkshopError(
            found=f"a request that boto3 does not send: {error}",
            expected="credentials, and parameters as InvokeEndpoint takes them",
            next_step="correct what it names, then run the cell again",
        ) from None
    raise error


def unusable(answer: Answer) -> str:
    """Return why an answer is of no use: EMPTY, CUT or REFUSED; "" for one that may be shown."""
    from workshop.evaluation.checks import refuses
    from workshop.evaluation.writing import is_empty

    if is_empty(answer.text):
        return EMPTY
    if answer.finish_reason in ("length", "max_tokens"):
        return CUT
    return REFUSED if refuses(answer.text, True) else ""


def _of_client_error(error: object, engine: str) -> Failure:
    said = error.response.get("Error", {})
    code, message = str(said.get("Code", "")), str(said.get("Message") or "")
    if code == "ModelError":
        if any(words in message for words in _OUT_OF_TIME):
            return Failure(TIMED_OUT, message)
        return _of_inference_error(endpoint_error(engine, error))
    if code == "ValidationError" and _NO_COPIES in message:
        return Failure(NO_CAPACITY, message, has_worked=False)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _OF_AWS:
        return Failure(_OF_AWS[code], message or code, has_worked=_OF_AWS[code] == TIMED_OUT)
    if status >= 500 and not is_denied(code):
        return Failure(NO_CAPACITY, f"{code}: {message}")
    if status in (413, 429):
        return Failure(TOO_LONG if status == 413 else THROTTLED, f"{code}: {message}", has_worked=False)
    raise explain(error, engine) from None


def _of_inference_error(error: InferenceError) -> Failure:
    if error.is_overload:
        return Failure(THROTTLED, error.found, has_worked=False)
    if error.is_too_long:
        return Failure(TOO_LONG, error.found, has_worked=False)
    if error.status is not None and 400 <= error.status < 500:
        raise error
    return Failure(FAILED, error.found)
