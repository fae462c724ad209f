"""A request's body: read, typed and checked as TGI's router does it."""

from __future__ import annotations

import json
import logging
import math
import secrets
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from serve.engine import Sampling
from serve.errors import RequestError, invalid
from serve.text import TextCodec

logger = logging.getLogger(__name__)

EMPTY = "`inputs` cannot be empty"
MAX_STOP_SEQUENCES = 4
# TGI: what a request without max_new_tokens gets at most.
DEFAULT_MAX_NEW_TOKENS = 1024
WHOLE_NUMBERS = {"i32": (-(2**31), 2**31 - 1), "u32": (0, 2**32 - 1), "u64": (0, 2**64 - 1)}
LARGEST_F32 = 3.4028235e38
# Field -> type in TGI's router; with "?" it may be null.
FIELDS = {
    "best_of": "u64?",
    "temperature": "f32?",
    "repetition_penalty": "f32?",
    "frequency_penalty": "f32?",
    "top_k": "i32?",
    "top_p": "f32?",
    "typical_p": "f32?",
    "do_sample": "bool",
    "max_new_tokens": "u32?",
    "return_full_text": "bool?",
    "stop": "strings",
    "truncate": "u64?",
    "watermark": "bool",
    "details": "bool",
    "decoder_input_details": "bool",
    "seed": "u64?",
    "top_n_tokens": "u32?",
    "grammar": "map?",
    "adapter_id": "string?",
}
DEFAULTS: dict[str, Any] = {
    name: False if kind == "bool" else [] if kind == "strings" else None for name, kind in FIELDS.items()
}
# Field -> the values that ask for nothing; others are refused, rather than ignored in silence.
UNSUPPORTED = {
    "best_of": (None, 1),
    "watermark": (False,),
    "decoder_input_details": (False,),
    "top_n_tokens": (None, 0),
    "grammar": (None,),
    "adapter_id": (None,),
}


@dataclass(frozen=True, kw_only=True)
class GenerateRequest:
    """A body of the right types; its values are checked by `prepare`.

    Args:
        inputs: The prompt.
        parameters: Every field of FIELDS, with TGI's defaults for those left out.
        stream: Asked for; counts on `/` and `/invocations` only.
    """

    inputs: str
    parameters: dict[str, Any] = field(default_factory=dict)
    stream: bool = False


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """What an engine is given."""

    ids: list[int]
    sampling: Sampling


def parse_body(body: bytes) -> Any:
    """Read JSON as strictly as TGI: UTF-8, no NaN or Infinity, no numbers beyond a double, whole characters.

    Raises:
        RequestError: 400.
    """
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant, parse_float=_finite)
        # Half a surrogate pair (\ud83d alone) is no character and could not be encoded later.
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        message = f"Failed to parse the request body as JSON: {reason}"
        raise RequestError(400, "validation", message) from None
    return value


def parse_request(body: bytes) -> GenerateRequest:
    """Read a body and check the types of its fields.

    Raises:
        RequestError: 400 when it is not JSON; 422 when a type is wrong or a field is missing.
    """
    value = parse_body(body)
    if not isinstance(value, dict):
        raise _wrong_type("", value, "struct GenerateRequest")
    if "inputs" not in value:
        for name in ("messages", "prompt"):
            if name in value:
                raise invalid(f"`{name}` is not supported by this server: send `inputs`")
        raise RequestError(422, "validation", _DESERIALIZE + "missing field `inputs`")
    inputs = _typed("inputs", value["inputs"], "string")
    stream = _typed("stream", value.get("stream", False), "bool")
    # Without `parameters` TGI samples; with an empty one it is greedy.
    parameters = DEFAULTS | {"do_sample": True}
    if "parameters" in value:
        given = value["parameters"]
        if not isinstance(given, dict):
            raise _wrong_type("parameters", given, "struct GenerateParameters")
        _warn_of_ignored(given)
        known = {name: given[name] for name in FIELDS if name in given}
        typed = {name: _typed(f"parameters.{name}", item, FIELDS[name]) for name, item in known.items()}
        parameters = DEFAULTS | typed
    return GenerateRequest(inputs=inputs, parameters=parameters, stream=stream)


def prepare(request: GenerateRequest, codec: TextCodec, *, max_input: int, max_total: int) -> Prompt:
    """Check the values of a request in TGI's order and words, and encode its prompt.

    Args:
        request: Of the right types.
        codec: The model's tokenizer.
        max_input: Longest prompt, in tokens.
        max_total: Longest prompt and answer together, in tokens.

    Raises:
        RequestError: 422, naming the field.

    Source: text-generation-inference 3.3.7, router/src/validation.rs.
    """
    given = request.parameters
    for name, harmless in UNSUPPORTED.items():
        if given[name] not in harmless:
            raise invalid(f"`{name}` is not supported by this server")
    _check_ranges(given)
    if not request.inputs:
        raise invalid(EMPTY)
    truncate = given["truncate"]
    if truncate is not None and not 0 < truncate <= max_input:
        raise invalid(f"`truncate` must be strictly positive and less than {max_input}. Given: {truncate}")
    ids = codec.encode(request.inputs)
    if not ids:  # a tokenizer may drop all there is, and add nothing
        raise invalid(EMPTY)
    if truncate is not None:
        ids = ids[-truncate:]  # TGI keeps the end, too
    num_new = given["max_new_tokens"]
    if num_new is None:
        num_new = min(max(max_total - len(ids), 0), DEFAULT_MAX_NEW_TOKENS)
    if len(ids) + num_new > max_total:
        raise invalid(
            f"`inputs` tokens + `max_new_tokens` must be <= {max_total}. "
            f"Given: {len(ids)} `inputs` tokens and {num_new} `max_new_tokens`"
        )
    if len(ids) > max_input:
        raise invalid(f"`inputs` must have less than {max_input} tokens. Given: {len(ids)}")
    return Prompt(ids=ids, sampling=_sampling(given, num_new))


def _check_ranges(given: dict[str, Any]) -> None:
    def outside(name: str, is_good) -> bool:
        return given[name] is not None and not is_good(given[name])

    for name in ("temperature", "repetition_penalty"):
        if outside(name, lambda value: value > 0):
            raise invalid(f"`{name}` must be strictly positive")
    if outside("frequency_penalty", lambda value: -2 <= value <= 2):
        raise invalid("`frequency_penalty` must be >= -2.0 and <= 2.0")
    for name in ("top_p", "typical_p"):
        if outside(name, lambda value: 0 < value < 1):
            raise invalid(f"`{name}` must be > 0.0 and < 1.0")
    for name in ("top_k", "max_new_tokens"):
        if outside(name, lambda value: value > 0):
            raise invalid(f"`{name}` must be strictly positive")
    if len(given["stop"]) > MAX_STOP_SEQUENCES:
        raise invalid(
            f"`stop` supports up to {MAX_STOP_SEQUENCES} stop sequences. Given: {len(given['stop'])}"
        )


def _sampling(given: dict[str, Any], max_new_tokens: int) -> Sampling:
    def value(name: str, default: float) -> Any:
        return default if given[name] is None else given[name]

    temperature, top_k = value("temperature", 1.0), value("top_k", 0)
    top_p, typical_p = value("top_p", 1.0), value("typical_p", 1.0)
    return Sampling(
        max_new_tokens=max_new_tokens,
        # TGI: a warper switches sampling on, whatever do_sample says; a temperature of 1 is none.
        do_sample=given["do_sample"] or temperature != 1 or top_k != 0 or top_p < 1 or typical_p < 1,
        seed=secrets.randbits(64) if given["seed"] is None else given["seed"],
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        typical_p=typical_p,
        repetition_penalty=value("repetition_penalty", 1.0),
        frequency_penalty=value("frequency_penalty", 0.0),
        # An empty text stands at the end of every output, in TGI as well: it stops after one token.
        stop=tuple(given["stop"]),
    )


_DESERIALIZE = "Failed to deserialize the JSON body into the target type: "


def _typed(name: str, value: Any, kind: str) -> Any:
    kind, nullable = kind.removesuffix("?"), kind.endswith("?")
    if value is None and nullable:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind in WHOLE_NUMBERS:
        lowest, highest = WHOLE_NUMBERS[kind]
        good = is_number and isinstance(value, int) and lowest <= value <= highest
    elif kind == "f32":
        good = is_number and abs(value) <= LARGEST_F32
        value = float(value) if good else value
    elif kind == "strings":
        good = isinstance(value, list) and all(isinstance(item, str) for item in value)
    else:
        good = isinstance(value, {"bool": bool, "string": str, "map": dict}[kind])
    if not good:
        raise _wrong_type(name, value, "a sequence of strings" if kind == "strings" else kind)
    return value


def _wrong_type(name: str, value: Any, expected: str) -> RequestError:
    names = {dict: "map", list: "sequence", type(None): "null"}
    kind = names.get(type(value)) or f"{type(value).__name__} {json.dumps(value, ensure_ascii=False)[:60]}"
    place = f"{name}: " if name else ""
    return RequestError(422, "validation", f"{_DESERIALIZE}{place}invalid type: {kind}, expected {expected}")


def _warn_of_ignored(given: dict[str, Any]) -> None:
    """TGI ignores names it does not know, so this server does, but says so in its log."""
    for name in given.keys() - FIELDS.keys():
        close = get_close_matches(name, FIELDS, n=1)
        logger.warning(
            "ignored the parameter %.60r%s", name, f"; did you mean {close[0]!r}?" if close else ""
        )


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    if math.isinf(value := float(text)):
        raise ValueError("number out of range")
    return value
