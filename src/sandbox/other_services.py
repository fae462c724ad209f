"""Everything that is not SageMaker: moto answers, in this process and on the same port."""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from sandbox import moto_failures, service_requests
from sandbox.api.errors import AwsError
from sandbox.api.registry import ACCOUNT_ID
from sandbox.storage import jumpstart
from sandbox.storage.s3_mirror import S3Mirror

SERVICES = ("s3", "sts", "iam", "logs", "monitoring", "ecr", "secretsmanager")
_SCOPE = re.compile(r"Credential=[^/]+/\d+/(?P<region>[a-z0-9-]+)/(?P<service>[a-z0-9-]+)/aws4_request")
# moto's own paths, which would win over buckets of these names; one of them empties everything.
_MOTO_PATHS = ("/moto-api", "/favicon.ico", "/latest/meta-data/", "/latest/api/")


def signed_for(environ: dict[str, Any]) -> tuple[str | None, str]:
    """Return service and region that a request was signed for; (None, us-east-1) for an unsigned one.

    A form to no path is STS's even so: to assume a role with a token of somebody else's is not signed.
    """
    signature = environ.get("HTTP_AUTHORIZATION") or unquote(environ.get("QUERY_STRING", ""))
    match = _SCOPE.search(signature)
    if match:
        return match["service"], match["region"]
    is_form = environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded")
    is_sts = is_form and environ["PATH_INFO"] == "/" and "HTTP_X_AMZ_TARGET" not in environ
    return "sts" if is_sts and environ["REQUEST_METHOD"] == "POST" else None, "us-east-1"


class OtherServices:
    """moto's WSGI application, with S3 kept on disk.

    Args:
        home: The sandbox's home.
    """

    def __init__(self, home: Path) -> None:
        self._home, self._mirror = home, S3Mirror(home / "s3")
        self._ready = threading.Event()
        self._application: Callable[..., Iterable[bytes]] | None = None
        self._failure: BaseException | None = None

    def start(self) -> None:
        """Import moto beside the serving thread: the socket listens half a second sooner."""
        threading.Thread(target=self._load, name="moto", daemon=True).start()

    def wait(self) -> None:
        """Wait until moto is there.

        Raises:
            RuntimeError: It could not be loaded.
        """
        self._ready.wait()
        if self._failure:
            raise RuntimeError("moto could not be started") from self._failure

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        service, _ = signed_for(environ)
        # WSGI gives the bytes of a path as if they were Latin-1.
        path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "surrogateescape")
        if service is not None and service not in SERVICES:
            raise AwsError(
                "UnknownOperationException",
                f"The sandbox does not offer {_asked_for(environ)} of {service}; it offers SageMaker,"
                f" Application Auto Scaling, EventBridge, {', '.join(SERVICES)} (src/sandbox/README.md).",
            )
        if path.startswith(_MOTO_PATHS):
            raise AwsError("UnknownOperationException", f"The sandbox has no {path}.")
        self.wait()
        try:
            if service not in ("s3", None):
                service_requests.check(environ, service)
                return self._application(environ, start_response)
            bucket, _, key = path.removeprefix("/").partition("/")
            if jumpstart.has(environ["REQUEST_METHOD"], bucket, key):
                return jumpstart.answer(environ["REQUEST_METHOD"], start_response)
            return self._mirror.handle(self._application, environ, start_response, bucket, key)
        except (
            AwsError,
            NotImplementedError,
            OSError,
            MemoryError,
        ):  # OSError: a disk, or a client that left
            raise
        except Exception as problem:
            error = moto_failures.client_error(problem, environ, service)
            if error is None:
                raise
            # With its place and without a traceback: the request is wrong, the sandbox is not.
            logging.getLogger("sandbox").warning("%s: %s", _asked_for(environ), error)
            raise error from problem

    def _load(self) -> None:
        try:
            os.environ["MOTO_ACCOUNT_ID"] = ACCOUNT_ID
            os.environ["MOTO_DISABLE_GLOBAL_CORS"] = "true"  # pages of other sites have no business here
            os.environ.setdefault("MOTO_S3_DEFAULT_KEY_BUFFER_SIZE", "65536")  # larger objects lie on disk
            os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"  # AmazonSageMakerFullAccess and its like
            from sandbox import log_queries, registries
            from sandbox.iam import simulation
            from sandbox.scaling import cloudwatch

            cloudwatch.install()
            log_queries.install()
            registries.install(self._home)
            simulation.install()
            from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

            self._application = DomainDispatcherApplication(create_backend_app)
            self._mirror.load(self._application)
        except BaseException as error:
            self._failure = error
        finally:
            self._ready.set()


def _asked_for(environ: dict[str, Any]) -> str:
    """Return the operation of a request as far as its head names it."""
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    return target.rpartition(".")[2] or f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
