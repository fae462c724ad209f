"""How a browser gets to an app's pages: a URL that is used once, and the session that it begins.

    /_sandbox/mlflow/APP/auth?authToken=...     once, within seconds: a cookie, and on to
    /_sandbox/mlflow/APP/                       MLflow's pages, as long as the session lasts

Source: API reference, CreatePresignedMlflowAppUrl (used once; 5 to 300 s, a session of 30 minutes to 12
hours). Its defaults are not published; these are the longest.
"""

from __future__ import annotations

import secrets
import threading
import time
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from sandbox.api.errors import AwsError
from sandbox.api.registry import Call, operation
from sandbox.mlflow_apps.apps import READY, require_app

PREFIX = "/_sandbox/mlflow/"
_EXPIRES_S, _SESSION_S = 300, 43_200
_COOKIE = "mlflow-session"
# What opens an app -> identity of the app, until when (time.time()), and how long its session lasts.
_tokens: dict[str, tuple[str, float, int]] = {}
_sessions: dict[str, tuple[str, float]] = {}
_lock = threading.Lock()


@operation("CreatePresignedMlflowAppUrl")
def create_presigned_mlflow_app_url(call: Call) -> dict[str, Any]:
    token, until_s = secrets.token_urlsafe(32), time.time() + call.request.get("ExpiresInSeconds", _EXPIRES_S)
    lasts_s = call.request.get("SessionExpirationDurationInSeconds", _SESSION_S)
    record = require_app(call)
    if record["Status"] not in READY:
        raise AwsError("ConflictException", f"{record['Arn']} is {record['Status']}.")
    with _lock:
        _remove_expired()
        _tokens[token] = (record["_name"], until_s, lasts_s)
    return {"AuthorizedUrl": f"{call.context.url}{path_of(record['_name'])}auth?authToken={token}"}


def path_of(identity: str) -> str:
    """Return the path of an app's pages."""
    return f"{PREFIX}{identity}/"


def begin(identity: str, environ: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the header that begins the session of a request with a token.

    Raises:
        AwsError: The token was used, is too old or not this app's.
    """
    token = parse_qs(environ.get("QUERY_STRING", "")).get("authToken", [""])[0]
    with _lock:
        of_app, until_s, lasts_s = _tokens.pop(token, ("", 0.0, 0))
        if of_app != identity or until_s < time.time():
            raise _refused("This URL was used, or its time is over.")
        session = secrets.token_urlsafe(32)
        _sessions[session] = (identity, time.time() + lasts_s)
    cookie = f"{_COOKIE}={session}; Path={path_of(identity)}; Max-Age={lasts_s}; HttpOnly; SameSite=Lax"
    return [("Set-Cookie", cookie)]


def check(identity: str, environ: dict[str, Any]) -> None:
    """Make sure that a request belongs to a session of an app.

    Raises:
        AwsError: It does not.
    """
    try:
        found = SimpleCookie(environ.get("HTTP_COOKIE", "")).get(_COOKIE)
    except CookieError:
        found = None
    of_app, until_s = _sessions.get(found.value if found else "", ("", 0.0))
    if of_app != identity or until_s < time.time():
        raise _refused("No session, or one that is over.")


def _refused(why: str) -> AwsError:
    message = f"{why} Make a new URL with CreatePresignedMlflowAppUrl."
    return AwsError("PERMISSION_DENIED", message, status=403)


def _remove_expired() -> None:
    now_s = time.time()
    for table in (_tokens, _sessions):
        for key in [key for key, value in table.items() if value[1] < now_s]:
            del table[key]
