"""The request that every dialect's ends in: TGI's fields, checked as TGI's router does it.

Source: text-generation-inference 3.3.7, router/src/lib.rs and router/src/validation.rs.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

from serve.engine import Engine, Sampling
from serve.errors import invalid
from serve.text import TextCodec

EMPTY = "`inputs` cannot be empty"
MAX_STOP_SEQUENCES = 4
# TGI: what a request without max_new_tokens gets at most.
DEFAULT_MAX_NEW_TOKENS = 1024
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
# What the server itself does not offer; a value that asks for it is refused, never ignored silently.
UNSUPPORTED = ("best_of", "watermark", "decoder_input_details", "top_n_tokens", "grammar")
# Field -> values that ask for nothing, beside its default.
HARMLESS = {
    "best_of": (1,),
    "top_n_tokens": (0,),
    "temperature": (1.0,),
    "repetition_penalty": (1.0,),
    "frequency_penalty": (0.0,),
}


@dataclass(frozen=True, kw_only=True)
class GenerateRequest:
    """A body of the right types; its values are checked by `prepare`.

    Args:
        inputs: The prompt.
        parameters: Every field of FIELDS, with TGI's defaults for those left out.
        stream: Asked for; counts on `/` and `/invocations` only.
        is_rendered: The prompt is a rendered chat template, which has its special tokens.
        stop_sequences: They end the answer wherever they are, and are left out of it (OpenAI's `stop`).
    """

    inputs: str
    parameters: dict[str, Any] = field(default_factory=dict)
    stream: bool = False
    is_rendered: bool = False
    stop_sequences: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """What an engine is given.

    Args:
        ids: 1 or more.
        sampling: Parameters.
        adapter: Name of a LoRA adapter, or None.
    """

    ids: list[int]
    sampling: Sampling
    adapter: str | None = None


def prepare(
    request: GenerateRequest, codec: TextCodec, engine: Engine, *, max_input: int, max_total: int
) -> Prompt:
    """Check the values of a request in TGI's order and words, and encode its prompt.

    Args:
        request: Of the right types.
        codec: The model's tokenizer.
        engine: Says what it cannot honour and which adapters it has.
        max_input: Longest prompt, in tokens.
        max_total: Longest prompt and answer together, in tokens.

    Raises:
        RequestError: 422, naming the field.
    """
    given = request.parameters
    _check_offered(request, engine)
    _check_ranges(given)
    if not request.inputs:
        raise invalid(EMPTY)
    check_truncate(given["truncate"], max_input)
    ids = codec.encode(request.inputs, add_special_tokens=not request.is_rendered)
    if not ids:  # a tokenizer may drop all there is, and add nothing
        raise invalid(EMPTY)
    if given["truncate"] is not None:
        ids = ids[-given["truncate"] :]  # TGI keeps the end, too
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
    return Prompt(ids=ids, sampling=_sampling(given, num_new), adapter=given["adapter_id"])


def check_truncate(truncate: int | None, max_input: int) -> None:
    if truncate is not None and not 0 < truncate <= max_input:
        raise invalid(f"`truncate` must be strictly positive and less than {max_input}. Given: {truncate}")


def unknown_adapter(name: str, adapters: tuple[str, ...]) -> str:
    known = ", ".join(adapters) or "none (start the server with LORA_ADAPTERS)"
    return f"the adapter {name[:60]!r} is not loaded; known ones: {known}"


def _check_offered(request: GenerateRequest, engine: Engine) -> None:
    given = request.parameters

    def asks(name: str) -> bool:
        if name == "seed" and not _draws(given):
            return False
        return given[name] != DEFAULTS[name] and given[name] not in HARMLESS.get(name, ())

    for name in UNSUPPORTED:
        if asks(name):
            raise invalid(f"`{name}` is not supported by this server")
    for name in FIELDS:
        if name in engine.unsupported and asks(name):
            raise invalid(f"`{name}` is not supported by the engine {engine.name} of this server")
    if given["adapter_id"] is not None and given["adapter_id"] not in engine.adapters:
        raise invalid(f"`adapter_id`: {unknown_adapter(given['adapter_id'], engine.adapters)}")


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


def _draws(given: dict[str, Any]) -> bool:
    """TGI: a warper switches sampling on, whatever do_sample says; a temperature of 1 is none."""
    warpers = (given["top_k"], given["top_p"], given["typical_p"])
    return (
        given["do_sample"]
        or given["temperature"] not in (None, 1)
        or any(value is not None for value in warpers)
    )


def _sampling(given: dict[str, Any], max_new_tokens: int) -> Sampling:
    def value(name: str, default: float) -> Any:
        return default if given[name] is None else given[name]

    return Sampling(
        max_new_tokens=max_new_tokens,
        do_sample=_draws(given),
        seed=secrets.randbits(64) if given["seed"] is None else given["seed"],
        temperature=value("temperature", 1.0),
        top_k=value("top_k", 0),
        top_p=value("top_p", 1.0),
        typical_p=value("typical_p", 1.0),
        repetition_penalty=value("repetition_penalty", 1.0),
        frequency_penalty=value("frequency_penalty", 0.0),
        # An empty text stands at the end of every output, in TGI as well: it stops after one token.
        stop=tuple(given["stop"]),
    )
