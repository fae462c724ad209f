"""LMI's body with `inputs`, turned into TGI's request.

Source: https://docs.djl.ai/docs/serving/serving/docs/lmi/user_guides/lmi_input_output_schema.html (0.31).
"""

from __future__ import annotations

from typing import Any

from serve.bodies import missing_field, read_fields, typed, wrong_type
from serve.dialects.vllm import requests as vllm
from serve.errors import invalid
from serve.request import DEFAULTS, GenerateRequest, unknown_adapter

MAX_NEW_TOKENS = 30
FIELDS = {
    "do_sample": "bool?",
    "seed": "i64?",
    "temperature": "f32?",
    "repetition_penalty": "f32?",
    "top_k": "i32?",
    "top_p": "f32?",
    "typical_p": "f32?",
    "max_new_tokens": "u32?",
    "details": "bool?",
    "return_full_text": "bool?",
    "stop_sequences": "strings?",
    "stop": "strings?",
    "truncate": "u64?",
}
# Field -> values that ask for nothing; others are refused. LMI generates with vLLM.
PARAMETERS_NOT_OFFERED = vllm.PARAMETERS_NOT_OFFERED | {
    "decoder_input_details": (None, False),
    "ignore_eos_token": (None, False),
    "n": (None, 1),
    "num_beams": (None, 1),
    "early_stopping": (None, False),
    "logprobs": (None,),
    "bad_sequences": (None, []),
    "min_length": (None, 0, 1),
    "min_new_tokens": (None, 0),
}
del PARAMETERS_NOT_OFFERED["truncate_prompt_tokens"]


def parse_lmi(value: Any, adapters: tuple[str, ...]) -> GenerateRequest:
    """Turn LMI's body into TGI's request.

    Args:
        value: From JSON.
        adapters: Names of LoRA adapters that `adapters` may choose.

    Raises:
        RequestError: A type or value is wrong, or a parameter is not offered.
    """
    if not isinstance(value, dict):
        raise wrong_type("", value, "an object with inputs or messages")
    if "inputs" not in value:
        raise missing_field(["inputs", "messages"])
    parameters = typed("parameters", value.get("parameters"), "map?") or {}
    for name, harmless in PARAMETERS_NOT_OFFERED.items():
        if name in parameters and parameters[name] not in harmless:
            raise invalid(f"`{name}` is not supported by this server")
    known = {name: item for name, item in parameters.items() if name not in PARAMETERS_NOT_OFFERED}
    given = dict.fromkeys(FIELDS) | read_fields(known, FIELDS, place="parameters.")
    stop = [*(given.pop("stop_sequences") or []), *(given.pop("stop") or [])]
    if given["temperature"] == 0:
        given |= {"do_sample": False, "temperature": None, "top_p": None, "top_k": None, "typical_p": None}
    given["top_p"] = None if given["top_p"] == 1 else given["top_p"]
    given["top_k"] = None if given["top_k"] in (0, -1) else given["top_k"]
    given["seed"] = None if given["seed"] is None else given["seed"] % 2**64
    given["do_sample"] = bool(given["do_sample"])
    given["max_new_tokens"] = MAX_NEW_TOKENS if given["max_new_tokens"] is None else given["max_new_tokens"]
    return GenerateRequest(
        inputs=typed("inputs", value["inputs"], "string"),
        parameters=DEFAULTS | given | {"adapter_id": _adapter(value.get("adapters"), adapters)},
        stream=bool(typed("stream", value.get("stream"), "bool?")),
        stop_sequences=tuple(filter(None, stop)),
    )


def _adapter(chosen: Any, adapters: tuple[str, ...]) -> str | None:
    """Return the one adapter of `adapters`: a name, or a list with one."""
    if isinstance(chosen, list) and len(chosen) == 1:
        (chosen,) = chosen
    name = typed("adapters", chosen, "string?")
    if name and name not in adapters:
        raise invalid(f"`adapters`: {unknown_adapter(name, adapters)}")
    return name or None
