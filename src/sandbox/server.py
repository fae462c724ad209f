"""The one port: SageMaker and its runtime here, the sandbox's own paths, and moto for the rest."""

from __future__ import annotations

import json
import logging
import os
import traceback
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from sandbox.api import registry
from sandbox.api.errors import AwsError
from sandbox.context import Context
from sandbox.other_services import OtherServices, signed_for

StartResponse = Callable[..., Any]
TARGET = "SageMaker."
JSON = "application/x-amz-json-1.1"


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
            if path.startswith("/_sandbox/"):
                return _json(start_response, self._control(path.removeprefix("/_sandbox/"), environ))
            if environ.get("HTTP_X_AMZ_TARGET", "").startswith(TARGET):
                return _json(start_response, self._sagemaker(environ))
            if path.startswith("/endpoints/"):
                from sandbox.hosting import runtime

                return runtime.invoke(self._context, environ, start_response)
            return self._others(environ, start_response)
        except AwsError as error:
            return _answer(start_response, error.status, error.body(), error.code)
        except Exception:
            logging.getLogger("sandbox").error(traceback.format_exc())
            error = AwsError("InternalFailure", "The sandbox failed; see its log.", status=500)
            return _answer(start_response, 500, error.body(), error.code)

    def _sagemaker(self, environ: dict[str, Any]) -> dict[str, Any]:
        name = environ["HTTP_X_AMZ_TARGET"].removeprefix(TARGET)
        _, region = signed_for(environ)
        return registry.dispatch(name, _body(environ), region=region, context=self._context)

    def _control(self, path: str, environ: dict[str, Any]) -> dict[str, Any]:
        method, faults = environ["REQUEST_METHOD"], self._context.faults
        match path, method:
            case "health", "GET":
                return {"status": "ok", "pid": os.getpid(), "home": str(self._context.home)}
            case "faults", "PUT":
                faults.add(_body(environ))
            case "faults", "DELETE":
                faults.clear()
            case "faults", "GET":
                pass
            case _:
                raise AwsError("UnknownOperationException", f"The sandbox has no {method} /_sandbox/{path}.")
        return {"faults": faults.listed()}


class Handler(WSGIRequestHandler):
    """HTTP/1.1 with keep-alive, without delays for small packets and without a log line a request."""

    disable_nagle_algorithm = True
    protocol_version = "HTTP/1.1"

    def log_request(self, *args: Any) -> None:
        pass


def bind(application: Application, port: int) -> BaseWSGIServer:
    """Return a server that listens on loopback, a thread a connection.

    Raises:
        OSError: The port is taken.
    """
    return make_server("127.0.0.1", port, application, threaded=True, request_handler=Handler)


def _body(environ: dict[str, Any]) -> Any:
    raw = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    try:
        return json.loads(raw or b"{}")
    except ValueError:
        raise AwsError("SerializationException", "The request body is no JSON.") from None


def _json(start_response: StartResponse, answer: dict[str, Any]) -> list[bytes]:
    return _answer(start_response, 200, json.dumps(answer).encode())


def _answer(start_response: StartResponse, status: int, body: bytes, error: str | None = None) -> list[bytes]:
    headers = [
        ("Content-Type", JSON),
        ("Content-Length", str(len(body))),
        ("x-amzn-RequestId", str(uuid.uuid4())),
    ]
    if error:
        headers.append(("x-amzn-ErrorType", error))
    start_response(f"{status} {'OK' if status < 400 else 'Error'}", headers)
    return [body]
