"""The way of a request to an app's server and back: of MLflow's client, or of a browser.

A client signs for SageMaker and names the app's ARN in a header, as AWS's plugin sagemaker-mlflow does when
SAGEMAKER_MLFLOW_CUSTOM_ENDPOINT is the address of the sandbox. A browser has a session instead, which begins
with the URL of CreatePresignedMlflowAppUrl.

Source: sagemaker-mlflow 0.5.0 (host_creds, auth, the header x-sm-mlflow-app-arn). How AWS words its refusals
is not published: these are in the form of MLflow's own errors, which its client shows.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from sandbox.api.errors import AwsError
from sandbox.mlflow_apps import sessions
from sandbox.mlflow_apps.apps import KIND, READY, find
from sandbox.mlflow_apps.running import APPS, AppFailedError, AppStoppedError
from sandbox.other_services import signed_for

if TYPE_CHECKING:
    from sandbox.context import Context
    from sandbox.hosting.connections import Exchange

ARN_HEADER = "HTTP_X_SM_MLFLOW_APP_ARN"
MAX_BODY_BYTES = 64 << 20
TIMEOUT_S = 600.0
_NOT_HANDED_ON = {"HOST", "CONNECTION", "AUTHORIZATION", "COOKIE", "ORIGIN", "REFERER", "TRANSFER_ENCODING"}
_OF_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "date", "server"}
# Pages load and report nothing elsewhere; MLflow's own write styles and build functions as they run.
_PAGES_STAY_HERE = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; frame-ancestors 'self'; form-action 'self'"
)

_ELSEWHERE = "192.0.2.1"  # an address that nobody has (RFC 5737)

StartResponse = Callable[..., Any]


def is_asked(environ: dict[str, Any]) -> bool:
    """Tell whether a request is for an app's server."""
    is_client = ARN_HEADER in environ and "HTTP_X_AMZ_TARGET" not in environ
    return is_client or environ["PATH_INFO"].startswith(sessions.PREFIX)


def handle(context: Context, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Answer a request, as a WSGI application."""
    context.recovered.wait()
    try:
        if environ["PATH_INFO"].startswith(sessions.PREFIX):
            return _of_browser(context, environ, start_response)
        _check_permission(context, environ)
        record = _named(context, environ)
        return _forward(context, record, environ, environ["REQUEST_URI"], start_response, [])
    except AwsError as error:
        body = json.dumps({"error_code": error.code, "message": error.message}).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response(f"{error.status} Error", headers)
        return [body]


def _of_browser(context: Context, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    identity, slash, rest = environ["REQUEST_URI"].removeprefix(sessions.PREFIX).partition("/")
    record = next((each for each in context.resources.all(KIND) if each["_name"] == identity), None)
    if record is None:
        raise _not_there(identity)
    if not slash or rest.partition("?")[0] == "auth":
        # Without a fragment of its own: a browser keeps the one that it came with, as #/experiments/1.
        cookie = sessions.begin(identity, environ) if slash else []
        start_response(
            "302 Found", [("Location", sessions.path_of(identity)), ("Content-Length", "0"), *cookie]
        )
        return []
    sessions.check(identity, environ)
    headers = [("Content-Security-Policy", _PAGES_STAY_HERE)]
    return _forward(context, record, environ, f"/{rest}", start_response, headers)


def _named(context: Context, environ: dict[str, Any]) -> dict[str, Any]:
    """Return the record of the app that a signed request names.

    Raises:
        AwsError: It is not signed as it must be, or there is no such app.
    """
    arn = environ[ARN_HEADER]
    service, region = signed_for(environ)
    if service is None:
        raise AwsError("PERMISSION_DENIED", "Missing Authentication Token.", status=403)
    if service != "sagemaker":
        message = f"Credential should be scoped to correct service: 'sagemaker', not {service}."
        raise AwsError("PERMISSION_DENIED", message, status=403)
    record = find(context, arn)
    if record is None:
        raise _not_there(arn)
    if record["_region"] != region:
        message = f"Credential should be scoped to a valid region: {record['_region']}, not {region}."
        raise AwsError("PERMISSION_DENIED", message, status=403)
    return record


def _check_permission(context: Context, environ: dict[str, Any]) -> None:
    try:
        context.authorization.check(environ)
    except AwsError as error:
        raise AwsError("PERMISSION_DENIED", error.message, status=403) from None


def _not_there(name: str) -> AwsError:
    return AwsError("RESOURCE_DOES_NOT_EXIST", f"MLflow App {name} does not exist.", status=404)


def _forward(
    context: Context,
    record: dict[str, Any],
    environ: dict[str, Any],
    path: str,
    start_response: StartResponse,
    headers: list[tuple[str, str]],
) -> Iterable[bytes]:
    """Send a request to the app's server and its answer back.

    Args:
        record: The app's.
        environ: The request.
        path: With its query, as the server shall see it.
        headers: More of the answer.
    """
    if record["Status"] not in (*READY, "Updating"):
        raise AwsError("INVALID_STATE", f"MLflow App {record['Name']} is {record['Status']}.")
    body = environ["wsgi.input"].read(MAX_BODY_BYTES + 1)
    if len(body) > MAX_BODY_BYTES:
        raise AwsError("INVALID_PARAMETER_VALUE", f"More than {MAX_BODY_BYTES} bytes.", status=413)
    try:
        connections = APPS.of(context, record["_region"], record["_name"]).connections(
            record["ArtifactStoreUri"]
        )
        exchange = connections.send(
            environ["REQUEST_METHOD"], path, body, _handed_on(environ, len(body)),
            deadline_s=time.monotonic() + TIMEOUT_S,
        )  # fmt: skip
    except (AppFailedError, AppStoppedError) as problem:  # no 5xx: clients repeat those for minutes
        raise AwsError("INTERNAL_ERROR", str(problem) or "The app ends.") from None
    except (OSError, http.client.HTTPException):
        raise AwsError("TEMPORARILY_UNAVAILABLE", "The MLflow server broke off.", status=503) from None
    given = [(name, value) for name, value in exchange.headers if name.lower() not in _OF_CONNECTION]
    start_response(f"{exchange.status} {http.client.responses.get(exchange.status, '')}", given + headers)
    return _body(exchange, environ.get("werkzeug.socket"))


def _handed_on(environ: dict[str, Any], num_bytes: int) -> dict[str, str]:
    found = {
        name.removeprefix("HTTP_").replace("_", "-").title(): value
        for name, value in environ.items()
        if name.startswith("HTTP_") and name.removeprefix("HTTP_") not in _NOT_HANDED_ON
        if not name.startswith(("HTTP_X_AMZ_", "HTTP_X_SM_"))
    }
    # From elsewhere, as behind AWS's front door: for this machine MLflow has an assistant that starts
    # programs.
    found["X-Forwarded-For"] = _ELSEWHERE
    if environ.get("CONTENT_TYPE"):
        found["Content-Type"] = environ["CONTENT_TYPE"]
    if num_bytes or environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
        found["Content-Length"] = str(num_bytes)
    return found


def _body(exchange: Exchange, client: Any) -> Iterator[bytes]:
    try:
        while block := exchange.read_next(client):
            yield block
    finally:
        exchange.close()
