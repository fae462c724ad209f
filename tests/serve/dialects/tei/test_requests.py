"""Each row of TEI's tables is what it says."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from serve.body_fields import DONE, IGNORED, REFUSED, Field
from serve.dialects.tei.requests import EMBED, OPENAI, TABLES, TOKENIZE, is_base64, parse, wanted_of
from serve.errors import RequestError

FIELDS = {"inputs": EMBED, "input": OPENAI}
VALUES: dict[str, Any] = {
    "inputs": ["다른 글"], "input": ["다른 글"], "truncate": True, "truncation_direction": "Left",
    "normalize": False, "dimensions": 8, "encoding_format": "base64", "add_special_tokens": False,
    "prompt_name": "query", "model": "other", "user": "나",
}  # fmt: skip
ROWS = [
    (of, table, name, row)
    for of, table in (("inputs", EMBED), ("input", OPENAI), ("inputs", TOKENIZE))
    for name, row in table.items()
]


def with_status(status: str) -> list[tuple[str, dict[str, Field], str, Field]]:
    return [row for row in ROWS if row[3].status == status]


def asked(of: str, table: dict[str, Field], **fields: Any) -> Any:
    """Return all that a body means: its texts, what they become, and how they are sent."""
    texts, is_batch, body = parse({of: "글", **fields}, table, of=of)
    return texts, is_batch, wanted_of(body), is_base64(body), body.get("add_special_tokens", True)


def test_the_page_has_every_table() -> None:
    assert list(TABLES.values()) == [EMBED, OPENAI, TOKENIZE]


@pytest.mark.parametrize(("of", "table", "name", "row"), with_status(DONE))
def test_what_is_done_changes_what_is_asked_for(of: str, table: dict, name: str, row: Field) -> None:
    assert asked(of, table, **{name: VALUES[name]}) != asked(of, table)
    if row.kind.endswith("?"):
        assert asked(of, table, **{name: None}) == asked(of, table)
    elif row.kind != "any":
        with pytest.raises(RequestError, match=f"{name}: invalid type"):
            asked(of, table, **{name: None})


@pytest.mark.parametrize(("of", "table", "name", "row"), with_status(REFUSED))
def test_what_is_refused_is_named(of: str, table: dict, name: str, row: Field) -> None:
    with pytest.raises(RequestError, match=f"`{name}` is not supported") as caught:
        asked(of, table, **{name: VALUES[name]})
    assert caught.value.status == 422
    assert asked(of, table, **{name: None}) == asked(of, table)


@pytest.mark.parametrize(("of", "table", "name", "row"), with_status(IGNORED))
def test_what_is_ignored_changes_nothing_and_is_logged(
    of: str, table: dict, name: str, row: Field, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert asked(of, table, **{name: VALUES[name]}) == asked(of, table)
    assert f"ignored the parameter '{name}'" in caplog.text
