"""A body is JSON as strict as TGI's."""

from __future__ import annotations

import pytest

from serve.bodies import parse_json
from serve.errors import RequestError


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        '{"inputs": "가"}'.encode("cp949"),
        '{"inputs": "a"}'.encode("utf-16"),
        b'\xef\xbb\xbf{"inputs": "a"}',
        b'{"inputs": "a", "parameters": {"temperature": NaN}}',
        b'{"inputs": "a", "parameters": {"temperature": -Infinity}}',
        b'{"inputs": "a", "parameters": {"temperature": 1e999}}',
        b'{"inputs": "a", "parameters": {"seed": ' + b"9" * 5000 + b"}}",
        rb'{"inputs": "\ud83d"}',
        b"[" * 100_000,
        b'{"inputs": "a"} x',
    ],
)
def test_what_is_not_json_is_a_400(body: bytes) -> None:
    with pytest.raises(RequestError) as caught:
        parse_json(body)
    assert caught.value.status == 400
    assert caught.value.body["error"].startswith("Failed to parse the request body as JSON")
