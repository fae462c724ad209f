"""LMI's bodies: their fields, and `inputs` turned into TGI's request.

LMI has two handlers. OPTION_ROLLING_BATCH=vllm, which the workshop sets, chooses the one whose `inputs` and
chat are here; the default one, which gives a body to vLLM, adds `prompt`.

Source: djl-serving 0.36.0, djl_python: input_parser.py, rolling_batch/vllm_rolling_batch.py,
chat_completions/vllm_chat_utils.py, lmi_vllm/vllm_async_service.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serve.bodies import missing_field, typed, wrong_type
from serve.body_fields import Table, done, ignored, parameters, read, refused
from serve.dialects.openai.vllm_values import read_stop, vllm_values
from serve.dialects.vllm import requests as vllm
from serve.errors import invalid
from serve.request import DEFAULTS, GenerateRequest, unknown_adapter

MAX_NEW_TOKENS = 30
BODY: Table = {
    "inputs": done("string", "the prompt"),
    "parameters": done("map", "the table below"),
    "stream": done("bool?", "JSON lines"),
    "adapters": done("any", "a LoRA adapter, or a list of one"),
}
PARAMETERS: Table = {
    **vllm.SAMPLING,
    "do_sample": done("bool?", "false is greedy; unset, a temperature alone draws"),
    "max_new_tokens": done("u32?", "30 unless given; null: the rest of the context", sets="max_new_tokens"),
    "max_tokens": ignored("any", "LMI overwrites it by max_new_tokens"),
    "stop_sequences": done("strings?", "in place of `stop`"),
    "ignore_eos": done(
        "bool", "the end token ends nothing", sets="ignore_eos", aliases=("ignore_eos_token",)
    ),
    "details": done("bool?", "reason, count, tokens", sets="details"),
    "return_full_text": done("bool?", "the prompt before the answer", sets="return_full_text"),
    "truncate": done("u64?", "keep so many tokens of the prompt's end (default handler)", sets="truncate"),
    "decoder_input_details": refused("bool?", vllm.NO_PROMPT_LOGPROBS, False),
    "logprobs": refused("i32?", "the answer has the chosen tokens'", 1),
    "top_n_tokens": refused("i32?", "the answer has the chosen tokens", 0),
    "n": refused("i32?", "one answer is generated", 1),
    "best_of": refused("i32?", "one answer is generated", 1),
    "num_beams": refused("i32?", "one answer is generated", 1),
    "typical_p": ignored("f32?", "vLLM has none"),
    "watermark": ignored("any", "vLLM has none"),
    "length_penalty": ignored("f32?", "of beam search, which is refused"),
    "early_stopping": ignored("any", "of beam search, which is refused"),
}
# The handler takes max_tokens before max_completion_tokens; the later row counts.
_LENGTHS = ("max_completion_tokens", "max_tokens")
CHAT: Table = {name: row for name, row in vllm.CHAT.items() if name not in _LENGTHS} | {
    "max_completion_tokens": done("u32?", "unset: the rest of the context", sets="max_new_tokens"),
    "max_tokens": done("u32?", "counts before max_completion_tokens", sets="max_new_tokens"),
}
OPENAI_TABLES: Mapping[str, Table] = {**vllm.OPENAI_TABLES, "chat": CHAT}
# Title -> fields, as the page of this dialect shows them; `prompt`, messages and stream_options are vLLM's.
TABLES = {"`inputs`": BODY, "`parameters` beside `inputs`": PARAMETERS, "`messages`": CHAT}


def parse_lmi(value: Any, adapters: tuple[str, ...]) -> GenerateRequest:
    """Turn LMI's body into TGI's request.

    Args:
        value: From JSON.
        adapters: Names of LoRA adapters that `adapters` may choose.

    Raises:
        RequestError: A type or value is wrong, or a parameter is not offered.
    """
    if not isinstance(value, dict):
        raise wrong_type("", value, "an object with inputs, prompt or messages")
    if "inputs" not in value:
        raise missing_field(["inputs", "prompt", "messages"])
    body = read(value, BODY, lax=True)
    given = read(body.get("parameters", {}), PARAMETERS, place="parameters.", lax=True)
    found = parameters(given, PARAMETERS)
    is_greedy = given.get("do_sample") is False or (
        found.get("temperature", 0) == 0 and not given.get("do_sample")
    )
    found |= {"do_sample": not is_greedy and found.get("temperature") != 0}
    if not found["do_sample"]:
        found["temperature"] = None
    # Whether details are left out or false is told apart by the answer.
    found |= {"details": given.get("details"), **vllm_values(found)}
    if "max_new_tokens" not in given:
        found["max_new_tokens"] = MAX_NEW_TOKENS
    stop = given["stop_sequences"] if "stop_sequences" in given else given.get("stop")
    return GenerateRequest(
        inputs=body["inputs"],
        parameters=DEFAULTS | found | {"adapter_id": read_adapter(body.get("adapters"), adapters)},
        stream=bool(body.get("stream")),
        stop_sequences=tuple(read_stop(stop)),
        keeps_stop=given.get("include_stop_str_in_output", False),
        shows_special=not given.get("skip_special_tokens", True),
        wants_logprobs=bool(body.get("stream") or given.get("details")),
        names={row.sets: name for name, row in PARAMETERS.items() if row.sets},
    )


def read_adapter(chosen: Any, adapters: tuple[str, ...]) -> str | None:
    """Return the one adapter of `adapters`: a name, or a list with one.

    Raises:
        RequestError: 422: another type, or a name that is not loaded.
    """
    if isinstance(chosen, list) and len(chosen) == 1:
        (chosen,) = chosen
    name = typed("adapters", chosen, "string?")
    if name and name not in adapters:
        raise invalid(f"`adapters`: {unknown_adapter(name, adapters)}")
    return name or None
