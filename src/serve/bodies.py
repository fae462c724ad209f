"""Bodies: read within bounds, JSON as strict as TGI's, fields of the types that were promised."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from serve.errors import RequestError

# TGI's --payload-limit.
MAX_BODY_BYTES = 2_000_000
# A larger body is read to its end, so that its sender reads the error response, but not beyond this.
MAX_DISCARDED_BYTES = 64_000_000
WHOLE_NUMBERS = {
    "i32": (-(2**31), 2**31 - 1),
    "u32": (0, 2**32 - 1),
    "i64": (-(2**63), 2**63 - 1),
    "u64": (0, 2**64 - 1),
}
LARGEST_F32 = 3.4028235e38
# Kind -> how it is called in messages.
SEQUENCES = {
    "strings": "a sequence of strings",
    "integers": "a sequence of integers",
    "numbers": "a sequence of numbers",
}
# What pydantic takes for a switch.
TRUE_TEXTS = frozenset({"true", "t", "yes", "y", "on", "1", "1.0"})
FALSE_TEXTS = frozenset({"false", "f", "no", "n", "off", "0", "0.0"})
DESERIALIZE = "Failed to deserialize the JSON body into the target type: "


async def read_json(http: Request) -> Any:
    """Read a JSON body of at most MAX_BODY_BYTES.

    Raises:
        RequestError: 415 for another content type, 413 for a longer body, 400 when it is not JSON.
    """
    media_type = http.headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        message = "Expected request with `Content-Type: application/json`"
        raise RequestError(415, "validation", message)
    chunks, size = [], 0
    async for chunk in http.stream():
        size += len(chunk)
        if size <= MAX_BODY_BYTES:
            chunks.append(chunk)
        elif size > MAX_DISCARDED_BYTES:
            break
    if size > MAX_BODY_BYTES:
        raise RequestError(
            413, "validation", f"Failed to buffer the request body: over {MAX_BODY_BYTES} bytes"
        )
    return parse_json(b"".join(chunks))


def parse_json(body: bytes) -> Any:
    """Read JSON as strictly as TGI: UTF-8, no NaN or Infinity, no numbers beyond a double, whole characters.

    Raises:
        RequestError: 400.
    """
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant, parse_float=_finite)
        # Half a surrogate pair (\ud83d alone) is not a character and could not be encoded later.
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        message = f"Failed to parse the request body as JSON: {reason}"
        raise RequestError(400, "validation", message) from None
    return value


def typed(name: str, value: Any, kind: str, *, lax: bool = False) -> Any:
    """Return a value when it is of a type; whole numbers become floats where those are asked for.

    Args:
        name: With its place, for the message.
        value: From JSON.
        kind: i32, u32, i64, u64, f32, bool, string, strings, integers, numbers, list, map or any; with "?" it
            may be null.
        lax: "5", 5.0 and true are numbers too, and "true" and 1 switches, as pydantic takes them.

    Raises:
        RequestError: 422, in the words of TGI's deserializer.
    """
    kind, nullable = kind.removesuffix("?"), kind.endswith("?")
    if kind == "any" or (value is None and nullable):
        return value
    value = _relaxed(value, kind) if lax else value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind in WHOLE_NUMBERS:
        lowest, highest = WHOLE_NUMBERS[kind]
        good = is_number and isinstance(value, int) and lowest <= value <= highest
    elif kind == "f32":
        good = is_number and abs(value) <= LARGEST_F32
        value = float(value) if good else value
    elif kind in SEQUENCES:
        good = isinstance(value, list) and all(_is_item(item, kind) for item in value)
    else:
        good = isinstance(value, {"bool": bool, "string": str, "map": dict, "list": list}[kind])
    if not good:
        raise wrong_type(name, value, SEQUENCES.get(kind, kind))
    return value


def _is_item(item: Any, kind: str) -> bool:
    types = {"strings": str, "integers": int, "numbers": int | float}[kind]
    return isinstance(item, types) and not isinstance(item, bool)


def _relaxed(value: Any, kind: str) -> Any:
    """Return what pydantic makes of a value that is written as another type, else the value itself."""
    if kind == "bool":
        text = str(value).lower() if isinstance(value, str | int | float) else ""
        return True if text in TRUE_TEXTS else False if text in FALSE_TEXTS else value
    if kind not in (*WHOLE_NUMBERS, "f32"):
        return value
    try:
        if isinstance(value, bool | str):
            return float(value) if kind == "f32" else int(value)
    except ValueError:
        return value
    is_whole = isinstance(value, float) and value.is_integer()
    return int(value) if is_whole and kind != "f32" else value


def wrong_type(name: str, value: Any, expected: str) -> RequestError:
    names = {dict: "map", list: "sequence", type(None): "null"}
    kind = names.get(type(value)) or f"{type(value).__name__} {json.dumps(value, ensure_ascii=False)[:60]}"
    place = f"{name}: " if name else ""
    return RequestError(422, "validation", f"{DESERIALIZE}{place}invalid type: {kind}, expected {expected}")


def missing_field(names: Iterable[str]) -> RequestError:
    listed = " or ".join(f"`{name}`" for name in names)
    return RequestError(422, "validation", f"{DESERIALIZE}missing field {listed}")


# Made once: `json.dumps` with these options makes one at each call, which is once a token of a stream.
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def to_json(value: Any) -> bytes:
    return _ENCODER.encode(value).encode("utf-8")


def json_response(value: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(to_json(value), status_code=status, headers=headers, media_type="application/json")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    if math.isinf(value := float(text)):
        raise ValueError("number out of range")
    return value
