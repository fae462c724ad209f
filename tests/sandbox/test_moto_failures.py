"""Whose failure it is: a request that moto cannot read is the client's, what our code raises is ours."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.moto_failures import _OURS, client_error

ENVIRON = {"REQUEST_METHOD": "PUT", "PATH_INFO": "/b"}
ENTRY = "/x/moto/moto_server/werkzeug_app.py"


def raised_through(*files: str) -> Exception:
    """Return a KeyError whose traceback goes through these files, from the outermost to the innermost."""
    names: dict[str, Any] = {}
    source = "def call(inner):\n    inner()"
    functions = []
    for file in files:
        exec(compile(source, file, "exec"), names)
        functions.append(names["call"])

    def fail() -> None:
        raise KeyError("what is missing")

    call = fail
    for function in reversed(functions):
        call = lambda function=function, inner=call: function(inner)  # noqa: E731
    with pytest.raises(KeyError) as caught:
        call()
    return caught.value


def test_what_moto_raises_is_the_clients_and_says_where() -> None:
    error = client_error(raised_through(f"{_OURS}/server.py", ENTRY, "/x/moto/s3/models.py"), ENVIRON, "s3")
    assert (error.status, error.code) == (400, "InvalidRequest")
    assert "KeyError: 'what is missing', in s3/models.py:2" in error.message


@pytest.mark.parametrize(
    "files",
    [
        [f"{_OURS}/storage/s3_objects.py"],
        [f"{_OURS}/storage/s3_mirror.py", "/x/moto/s3/models.py"],  # called by us, without a request
        [f"{_OURS}/server.py", ENTRY, "/x/moto/core/responses.py", f"{_OURS}/scaling/cloudwatch.py"],
    ],
)
def test_what_our_code_raises_is_ours(files: list[str]) -> None:
    assert client_error(raised_through(*files), ENVIRON, "s3") is None


def test_what_moto_raises_below_our_code_is_the_clients() -> None:
    files = [
        ENTRY,
        "/x/moto/core/responses.py",
        f"{_OURS}/scaling/cloudwatch.py",
        "/x/moto/cloudwatch/models.py",
    ]
    assert client_error(raised_through(*files), ENVIRON, "monitoring").code == "ValidationError"
