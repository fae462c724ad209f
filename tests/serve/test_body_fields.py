"""Fields are read by their table: done, refused by name, or ignored and logged."""

from __future__ import annotations

from typing import Any

import pytest

from serve.bodies import typed
from serve.body_fields import done, ignored, parameters, read, refused
from serve.errors import RequestError

TABLE = {
    "length": done("u32?", "", sets="max_new_tokens", aliases=("size",)),
    "newer": done("u32?", "", sets="max_new_tokens"),
    "switch": done("bool"),
    "format": refused("map?", "there is one", {"type": "text"}),
    "count": refused("u32", "there is one", 1),
    "user": ignored("string?", "nobody asks"),
}


def test_values_come_by_their_own_names_and_set_what_they_say() -> None:
    assert read({"size": 3, "switch": True}, TABLE) == {"length": 3, "switch": True}
    assert parameters({"length": 3, "switch": True}, TABLE) == {"max_new_tokens": 3}
    assert parameters({"length": None}, TABLE) == {}
    assert parameters({"newer": 4, "length": 3}, TABLE) == {"max_new_tokens": 4}, "the later row"
    assert parameters({"newer": None, "length": 3}, TABLE) == {"max_new_tokens": 3}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"length": 3, "size": 3}, "at.duplicate field `length`"),
        ({"format": {"type": "json"}}, "`format` is not supported by this server: there is one"),
        ({"count": 2}, "`count` is not supported"),
        ({"count": True}, "at.count: invalid type: bool true"),
        ({"count": None}, "at.count: invalid type: null"),
        ({"user": 5}, "at.user: invalid type: int 5"),
        ({"switch": None}, "at.switch: invalid type: null"),
    ],
)
def test_what_is_wrong_is_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError) as caught:
        read(given, TABLE, place="at.")
    assert caught.value.status == 422
    assert message in str(caught.value)


def test_values_that_ask_for_nothing_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    given = {"format": None, "count": 1, "user": "나", "lenght": 3}
    assert read(given, TABLE) == read({"format": {"type": "text"}}, TABLE) == {}
    assert "ignored the parameter 'user': nobody asks" in caplog.text
    assert "ignored the parameter 'lenght'; did you mean 'length'?" in caplog.text


@pytest.mark.parametrize(
    ("kind", "given", "found"),
    [
        ("u32", "5", 5), ("u32", 5.0, 5), ("u32", True, 1), ("i64", "-3", -3), ("f32", "0.5", 0.5),
        ("f32", "1e2", 100.0), ("f32", True, 1.0), ("bool", "true", True), ("bool", "Off", False),
        ("bool", 1, True), ("bool", 0.0, False), ("u64", str(2**64 - 1), 2**64 - 1), ("f32", 5, 5.0),
    ],
)  # fmt: skip
def test_lax_types_are_what_pydantic_makes_of_them(kind: str, given: Any, found: Any) -> None:
    value = typed("a", given, kind, lax=True)
    assert (value, type(value)) == (found, type(found))
    if type(given) is not type(found) and (kind, given) != ("f32", 5):
        with pytest.raises(RequestError, match="a: invalid type"):
            typed("a", given, kind)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("u32", "five"), ("u32", 5.5), ("u32", "5.5"), ("u32", "-1"), ("u32", [5]), ("f32", "nan"),
        ("f32", "inf"), ("bool", 2), ("bool", "maybe"), ("string", 5), ("strings", ["a", 5]),
        ("integers", [5, True]), ("numbers", ["5"]), ("u64", "9" * 5000),
    ],
)  # fmt: skip
def test_lax_types_have_their_limits(kind: str, given: Any) -> None:
    with pytest.raises(RequestError, match="a: invalid type"):
        typed("a", given, kind, lax=True)
