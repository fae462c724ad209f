"""TGI's bodies: their fields, and `inputs` turned into a request.

Source: text-generation-inference 3.3.6 and 3.3.7, whose router/src/lib.rs is the same file.
"""

from __future__ import annotations

from typing import Any

from serve.bodies import missing_field, wrong_type
from serve.body_fields import Table, done, ignored, parameters, read, refused
from serve.request import DEFAULTS, GenerateRequest

BODY: Table = {
    "inputs": done("string", "the prompt"),
    "parameters": done("map", "the table below; without it TGI samples"),
    "stream": done("bool", "on `/` and `/invocations`"),
}
PARAMETERS: Table = {
    "best_of": refused("u64?", "one answer is generated", 0, 1),
    "temperature": done("f32?", "above 0; other than 1 it switches sampling on", sets="temperature"),
    "repetition_penalty": done("f32?", "above 0", sets="repetition_penalty"),
    "frequency_penalty": done("f32?", "-2 to 2, times an id's share", sets="frequency_penalty"),
    "top_k": done("i32?", "above 0; switches sampling on", sets="top_k"),
    "top_p": done("f32?", "above 0, below 1; switches sampling on", sets="top_p"),
    "typical_p": done("f32?", "above 0, below 1; switches sampling on", sets="typical_p"),
    "do_sample": done("bool", "draw", sets="do_sample"),
    "max_new_tokens": done(
        "u32?", "in chunks of 1,024; unset: the rest of the context", sets="max_new_tokens"
    ),
    "return_full_text": done("bool?", "the prompt before the answer", sets="return_full_text"),
    "stop": done("strings", "up to 4, at the end of a token; stays in the answer", sets="stop"),
    "truncate": done("u64?", "keep so many tokens of the prompt's end", sets="truncate"),
    "watermark": refused("bool", "no answer is watermarked", False),
    "details": done("bool", "tokens, reason, count", sets="details"),
    "decoder_input_details": refused("bool", "the prompt's log-probabilities are not kept", False),
    "seed": done("u64?", "of the draw", sets="seed"),
    "top_n_tokens": done("u32?", "0 to 5 most likely tokens, in `details`", sets="top_n_tokens"),
    "grammar": refused("map?", "answers are not constrained"),
    "adapter_id": done("string?", "a LoRA adapter", sets="adapter_id"),
}
CHAT: Table = {
    "model": done("string?", "the model itself or a LoRA adapter"),
    "messages": done("list", "the table below; a last one of the assistant is continued"),
    "frequency_penalty": done("f32?", "-2 to 2", sets="frequency_penalty"),
    "logit_bias": ignored("numbers?", "TGI does not use it"),
    "logprobs": done("bool?", "of the chosen tokens"),
    "top_logprobs": done("u32?", "0 to 5 most likely tokens, in `logprobs`", sets="top_n_tokens"),
    "max_tokens": done(
        "u32?", "in chunks of 1,024; unset: the rest of the context", sets="max_new_tokens",
        aliases=("max_completion_tokens",),
    ),
    "n": ignored("u32?", "TGI does not use it: one answer"),
    "presence_penalty": done("f32?", "a repetition penalty of 2 more"),
    "stop": done("strings?", "up to 4, at the end of a token; stays in the answer", sets="stop"),
    "stream": done("bool", "chunks as events"),
    "seed": done("u64?", "of the draw", sets="seed"),
    "temperature": done("f32?", "0 is greedy", sets="temperature"),
    "top_p": done("f32?", "above 0, below 1", sets="top_p"),
    "tools": refused("list?", "answers are not constrained", []),
    "tool_prompt": ignored("string?", "of tools, which are refused"),
    "tool_choice": ignored("any", "of tools, which are refused"),
    "response_format": refused("map?", "answers are not constrained"),
    "stream_options": done("map", "the table below"),
}  # fmt: skip
MESSAGE: Table = {
    "role": done("string", "for the template"),
    "content": done("any", "a text, or a list of {type: text, text}"),
    "name": ignored("string?", "TGI's template gets no name"),
    "tool_calls": refused("list?", "of tools, which are refused", []),
}
STREAM_OPTIONS: Table = {"include_usage": done("bool", "a last chunk with the counts")}
COMPLETION: Table = {
    "model": done("string?", "the model itself or a LoRA adapter"),
    "prompt": done("any", "a text, or a list of up to 4; several are not streamed"),
    "max_tokens": done("u32?", "in chunks of 1,024; unset: the rest of the context", sets="max_new_tokens"),
    "temperature": done("f32?", "0 is greedy", sets="temperature"),
    "top_p": done("f32?", "above 0, below 1", sets="top_p"),
    "stream": done("bool", "chunks as events"),
    "seed": done("u64?", "of the draw", sets="seed"),
    "suffix": refused("string?", "TGI refuses it"),
    "repetition_penalty": done("f32?", "above 0", sets="repetition_penalty"),
    "frequency_penalty": done("f32?", "-2 to 2", sets="frequency_penalty"),
    "stop": done("strings?", "up to 4, at the end of a token; stays in the answer", sets="stop"),
}
OPENAI_TABLES = {
    "chat": CHAT,
    "completion": COMPLETION,
    "message": MESSAGE,
    "stream_options": STREAM_OPTIONS,
}
# Title -> fields, as the page of this dialect shows them.
TABLES = {
    "`inputs`": BODY,
    "`parameters` beside `inputs`": PARAMETERS,
    "`/v1/chat/completions`, `/chat_tokenize`, `messages`": CHAT,
    "`/v1/completions`, `prompt`": COMPLETION,
    "a message": MESSAGE,
    "`stream_options`": STREAM_OPTIONS,
}


def parse_tgi(value: Any) -> GenerateRequest:
    """Check the types of a body's fields.

    Args:
        value: From JSON.

    Raises:
        RequestError: 422 when a type is wrong, a field is missing, or a value is not offered.
    """
    if not isinstance(value, dict):
        raise wrong_type("", value, "struct GenerateRequest")
    if "inputs" not in value:
        raise missing_field(["inputs"])
    body = read(value, BODY)
    # Without `parameters` TGI samples; with an empty one it is greedy.
    given = {"do_sample": True}
    if "parameters" in body:
        given = parameters(read(body["parameters"], PARAMETERS, place="parameters."), PARAMETERS)
    return GenerateRequest(
        inputs=body["inputs"],
        parameters=DEFAULTS | given,
        stream=body.get("stream", False),
        is_tgi=True,
    )
