"""The one port: SageMaker, its runtime and its scaling here, the sandbox's own paths, moto for the rest."""

from __future__ import annotations

import errno
import json
import logging
import os
import traceback
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from sandbox import clock, layer_urls, logs, operations
from sandbox.api.errors import AwsError, disk_error
from sandbox.context import Context
from sandbox.http_server import ClientGoneError
from sandbox.mlflow_apps import requests as mlflow_requests
from sandbox.other_services import OtherServices, signed_for

StartResponse = Callable[..., Any]
JSON = "application/x-amz-json-1.1"
MAX_BODY_BYTES = 8 << 20
_DISK_PROBLEMS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}
_OUR_PATHS = ("/_sandbox/", "/endpoints/")
_DELETES_LOGS = "Logs_20140328.Delete"
_SPEAK_XML = (None, "s3", "cloudfront", "route53", "iam", "monitoring", "sts")


class Application:
    """WSGI application of the sandbox.

    Args:
        context: Records, faults, jobs.
        others: moto.
    """

    def __init__(self, context: Context, others: OtherServices) -> None:
        self._context, self._others = context, others

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        try:
            if mlflow_requests.is_asked(environ):
                return mlflow_requests.handle(self._context, environ, start_response)
            if path.startswith(layer_urls.PREFIX):
                return layer_urls.answer(environ, start_response)
            if path.startswith("/_sandbox/"):
                return _json(start_response, self._control(path.removeprefix("/_sandbox/"), environ))
            is_invocation = path.startswith("/endpoints/") and signed_for(environ)[0] != "s3"  # no bucket
            if not is_invocation:
                self._context.authorization.check(environ)
            if _target(environ)[0] in operations.SERVICES:
                return _json(start_response, self._ours(environ))
            if is_invocation:
                self._context.recovered.wait()
                from sandbox.hosting import runtime

                return runtime.invoke(self._context.authorization, environ, start_response)
            return self._other_service(environ, start_response)
        except ClientGoneError:
            raise
        except AwsError as error:
            return _error_response(environ, start_response, error)
        except NotImplementedError as problem:  # moto's word for an operation of one of its services
            error = AwsError("UnknownOperationException", f"moto: {problem}")
            return _error_response(environ, start_response, error)
        except Exception as problem:
            logging.getLogger("sandbox").error(traceback.format_exc())
            if isinstance(problem, OSError) and problem.errno in _DISK_PROBLEMS:
                return _error_response(environ, start_response, disk_error(problem))
            error = AwsError("InternalFailure", "The sandbox failed; see its log.", status=500)
            return _error_response(environ, start_response, error)

    def _ours(self, environ: dict[str, Any]) -> dict[str, Any]:
        """Run an operation of SageMaker or of Application Auto Scaling."""
        self._context.recovered.wait()
        service, name = _target(environ)
        _, region = signed_for(environ)
        request = _body(environ)
        return operations.SERVICES[service].dispatch(name, request, region=region, context=self._context)

    def _other_service(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "GET":
            self._bring_what_is_captured(environ)
        deletes_logs = environ.get("HTTP_X_AMZ_TARGET", "").startswith(_DELETES_LOGS)
        answer = self._others(environ, start_response)
        if deletes_logs:
            logs.remove_deleted(self._context)
        return answer

    def _bring_what_is_captured(self, environ: dict[str, Any]) -> None:
        """Let whoever lists a bucket find what was captured before."""
        from sandbox.hosting.capture_delivery import captures

        bucket, _, key = environ["PATH_INFO"].removeprefix("/").partition("/")
        if bucket and not key:
            captures.is_recovered.wait()
            captures.deliver(bucket)

    def _control(self, path: str, environ: dict[str, Any]) -> dict[str, Any]:
        method, context = environ["REQUEST_METHOD"], self._context
        tables = {"faults": context.faults, "quotas": context.quotas, "prices": context.prices}
        tables["policies"] = context.authorization
        match path, method:
            case "health", "GET":
                home = str(context.home)
                return {"status": "ok", "pid": os.getpid(), "home": home, "clock_speed": clock.speed()}
            case _, "PUT" if path in tables:
                tables[path].add(_body(environ))
            case _, "DELETE" if path in tables:
                tables[path].clear()
            case _, "GET" if path in tables:
                pass
            case _:
                raise AwsError("UnknownOperationException", f"The sandbox has no {method} /_sandbox/{path}.")
        return {path: tables[path].listed()}


def _target(environ: dict[str, Any]) -> tuple[str, str]:
    """Return service and operation as X-Amz-Target names them: SageMaker.CreateModel."""
    service, _, operation = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")
    return service, operation


def _body(environ: dict[str, Any]) -> Any:
    raw = environ["wsgi.input"].read(MAX_BODY_BYTES + 1)
    if len(raw) > MAX_BODY_BYTES:
        raise AwsError("RequestEntityTooLargeException", f"More than {MAX_BODY_BYTES} bytes.", status=413)
    try:
        return json.loads(raw or b"{}", parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise AwsError("SerializationException", "The request body is not JSON.") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _json(start_response: StartResponse, answer: dict[str, Any]) -> list[bytes]:
    return _answer(start_response, 200, json.dumps(answer).encode())


def _error_response(environ: dict[str, Any], start_response: StartResponse, error: AwsError) -> list[bytes]:
    """Answer with an error in the protocol of the service that was asked."""
    service, _ = signed_for(environ)
    is_ours = "HTTP_X_AMZ_TARGET" in environ or environ["PATH_INFO"].startswith(_OUR_PATHS)
    is_form = environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded")
    if not is_ours and (is_form or service in _SPEAK_XML):
        return _answer(start_response, error.status, error.xml_body(service), error.code, "text/xml")
    return _answer(start_response, error.status, error.body(), error.code)


def _answer(
    start_response: StartResponse,
    status: int,
    body: bytes,
    error: str | None = None,
    content_type: str = JSON,
) -> list[bytes]:
    headers = [
        ("Content-Type", content_type),
        ("Content-Length", str(len(body))),
        ("x-amzn-RequestId", str(uuid.uuid4())),
    ]
    if error:
        headers.append(("x-amzn-ErrorType", error))
    start_response(f"{status} {'OK' if status < 400 else 'Error'}", headers)
    return [body]
