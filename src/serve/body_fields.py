"""Fields of a body: one table for each kind of body, which reading it, its page and its tests share.

A row says a field's type, what it sets, and whether the server does it, refuses it by name, or ignores it as
the engine's own server does. What no row names is ignored, as all three servers do, and logged.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

from serve.bodies import DESERIALIZE, typed
from serve.errors import RequestError, invalid

logger = logging.getLogger(__name__)

DONE, REFUSED, IGNORED = "done", "refused", "ignored"


@dataclass(frozen=True, kw_only=True)
class Field:
    """A row of a table.

    Args:
        kind: Type, as of `serve.bodies.typed`; with "?" it may be null.
        about: What it does, or why it is refused or ignored: a phrase for the page.
        status: done, refused or ignored.
        sets: The parameter of serve.request that takes the value; None where a route reads it itself.
        aliases: Further names; a body has one of them at most.
        harmless: Of a refused one: the values that ask for nothing, beside null.
    """

    kind: str
    about: str = ""
    status: Literal["done", "refused", "ignored"] = DONE
    sets: str | None = None
    aliases: tuple[str, ...] = ()
    harmless: tuple = ()


Table = Mapping[str, Field]


def done(kind: str, about: str = "", *, sets: str | None = None, aliases: tuple[str, ...] = ()) -> Field:
    return Field(kind=kind, about=about, sets=sets, aliases=aliases)


def refused(kind: str, about: str, *harmless: Any) -> Field:
    return Field(kind=kind, about=about, status=REFUSED, harmless=harmless)


def ignored(kind: str, about: str) -> Field:
    return Field(kind=kind, about=about, status=IGNORED)


def read(given: Mapping[str, Any], table: Table, *, place: str = "", lax: bool = False) -> dict[str, Any]:
    """Return the fields of a body that are done, by their own names, each of its type.

    Args:
        given: An object of a body.
        table: Its fields.
        place: Of the object, before a field's name in messages.
        lax: Numbers and switches may be written as texts (pydantic's way; serde's is strict).

    Raises:
        RequestError: 422, naming the field: a wrong type, a value that is not offered, a name and its alias.
    """
    names = {alias: name for name, row in table.items() for alias in (name, *row.aliases)}
    values: dict[str, Any] = {}
    for written, value in given.items():
        if (name := names.get(written)) is None:
            if value is None:  # it asks for nothing
                continue
            close = get_close_matches(written, table, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            logger.warning("ignored the parameter %.60r%s", written, hint)
            continue
        row = table[name]
        value = typed(place + written, value, row.kind, lax=lax)
        if row.status == REFUSED:
            if value is not None and not any(_same(value, nothing) for nothing in row.harmless):
                raise invalid(f"`{written}` is not supported by this server: {row.about}")
        elif row.status == IGNORED:
            logger.warning("ignored the parameter %r: %s", written, row.about)
        elif name in values:
            raise RequestError(422, "validation", f"{DESERIALIZE}{place}duplicate field `{name}`")
        else:
            values[name] = value
    return values


def parameters(values: Mapping[str, Any], table: Table) -> dict[str, Any]:
    """Return what the values of a body set, under the names of serve.request; null sets nothing.

    Where two fields set the same the later row of the table counts.
    """
    rows = ((row.sets, values.get(name)) for name, row in table.items() if row.sets)
    return {sets: value for sets, value in rows if value is not None}


def _same(value: Any, nothing: Any) -> bool:
    """Tell whether two values are equal; 1 is not true, and 1.0 is 1."""
    return value == nothing and isinstance(value, bool) == isinstance(nothing, bool)
