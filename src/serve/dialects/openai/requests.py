"""OpenAI's chat and completion bodies, as TGI, vLLM and LMI read them, turned into TGI's request.

The dialects differ in defaults, in names of the model and in what they know: those are values of `Rules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from serve.bodies import missing_field, read_fields, typed, wrong_type
from serve.chat_template import ChatTemplate
from serve.errors import RequestError, invalid
from serve.request import DEFAULTS, GenerateRequest

Kind = Literal["chat", "completion"]

_SHARED = {
    "model": "string?",
    "max_tokens": "u32?",
    "temperature": "f32?",
    "top_p": "f32?",
    "frequency_penalty": "f32?",
    "stream": "bool",
    "stream_options": "map?",
    "seed": "u64?",
    "stop": "any",
    "user": "any",
}
# As TGI has them; other dialects add theirs.
FIELDS: Mapping[Kind, Mapping[str, str]] = {
    "chat": _SHARED
    | {
        "messages": "list",
        "presence_penalty": "f32?",
        "logprobs": "bool?",
        "tool_prompt": "string?",
    },
    "completion": _SHARED | {"prompt": "any", "repetition_penalty": "f32?"},
}
# Field -> values that ask for nothing. Any other is refused, whatever the dialect would do with it.
NOT_OFFERED: Mapping[Kind, Mapping[str, tuple]] = {
    "chat": {
        "tools": (None, []),
        "tool_choice": (None, "none", "auto"),
        "functions": (None, []),
        "function_call": (None, "none", "auto"),
        "response_format": (None,),
        "logit_bias": (None, {}, []),
        "top_logprobs": (None, 0),
        "n": (None, 1),
        "guideline": (None,),
        "audio": (None,),
        "modalities": (None, ["text"]),
    },
    "completion": {
        "suffix": (None, ""),
        "echo": (None, False),
        "best_of": (None, 1),
        "n": (None, 1),
        "logprobs": (None,),
        "logit_bias": (None, {}, []),
        "presence_penalty": (None, 0),
        "response_format": (None,),
    },
}


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How a dialect reads OpenAI's bodies.

    Args:
        fields: Those it knows, by kind of body.
        not_offered: Field -> values that ask for nothing, by kind of body.
        own_names: Values of `model` that mean the model itself.
        is_tgi: TGI's `stop` is a list, at most four, kept in the answer; its presence_penalty is a repetition
            penalty less 2.
        part_separator: Between the text parts of one message.
        max_tokens: Where a body has none, by kind; None for the rest of the context.
        defaults: Sampling parameters where a body has none, under TGI's names.
    """

    fields: Mapping[Kind, Mapping[str, str]]
    not_offered: Mapping[Kind, Mapping[str, tuple]]
    own_names: frozenset[str]
    is_tgi: bool = False
    part_separator: str = ""
    max_tokens: Mapping[Kind, int | None] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class OpenAIRequest:
    """A checked body.

    Args:
        kind: Chat or completion.
        generate: The same in TGI's terms.
        model: As the caller named it; None where it did not.
        logprobs: Asked for.
        include_usage: In a stream, a last chunk with the counts.
    """

    kind: Kind
    generate: GenerateRequest
    model: str | None
    logprobs: bool
    include_usage: bool


def parse_openai(
    kind: Kind, value: Any, rules: Rules, template: ChatTemplate, adapters: tuple[str, ...]
) -> OpenAIRequest:
    """Check a body and render its messages.

    Args:
        kind: Chat or completion.
        value: From JSON.
        adapters: Names of LoRA adapters that `model` may choose.

    Raises:
        RequestError: 422, naming the field; 404 for a model that is not served.
    """
    if not isinstance(value, dict):
        raise wrong_type("", value, "struct ChatRequest" if kind == "chat" else "struct CompletionRequest")
    main = "messages" if kind == "chat" else "prompt"
    if main not in value:
        raise missing_field([main])
    for name, harmless in rules.not_offered[kind].items():
        if name in value and value[name] not in harmless:
            raise invalid(f"`{name}` is not supported by this server")
    known = {name: item for name, item in value.items() if name not in rules.not_offered[kind]}
    given = dict.fromkeys(rules.fields[kind]) | read_fields(known, rules.fields[kind])
    stop = _stop(given["stop"], rules)
    parameters = _parameters(kind, given, rules) | {"stop": stop if rules.is_tgi else []}
    parameters["adapter_id"] = _adapter(given["model"], rules, adapters)
    generate = GenerateRequest(
        inputs=(
            template.render(_messages(given["messages"], rules)) if kind == "chat" else _text(given["prompt"])
        ),
        parameters=DEFAULTS | parameters,
        stream=bool(given["stream"]),
        is_rendered=kind == "chat",
        stop_sequences=() if rules.is_tgi else tuple(filter(None, stop)),
    )
    options = given["stream_options"] or {}
    return OpenAIRequest(
        kind=kind,
        generate=generate,
        model=given["model"],
        logprobs=bool(given.get("logprobs")),
        include_usage=bool(typed("stream_options.include_usage", options.get("include_usage"), "bool?")),
    )


def _parameters(kind: Kind, given: Mapping[str, Any], rules: Rules) -> dict[str, Any]:
    """Return the sampling parameters under TGI's names: all sample, unless the temperature is exactly 0."""
    found = {
        name: rules.defaults.get(name) if given.get(name) is None else given[name]
        for name in ("temperature", "top_p", "top_k", "repetition_penalty", "frequency_penalty", "seed")
    }
    limits = (given.get("max_completion_tokens"), given["max_tokens"], rules.max_tokens.get(kind))
    found["max_new_tokens"] = next((limit for limit in limits if limit is not None), None)
    found["do_sample"] = found["temperature"] != 0
    if not found["do_sample"]:
        found["temperature"] = None
    found["details"] = True
    if rules.is_tgi:
        if given.get("presence_penalty") is not None:
            found["repetition_penalty"] = given["presence_penalty"] + 2.0
        return found
    if not found["do_sample"]:  # nothing is drawn, so nothing may switch drawing on
        found["top_p"] = found["top_k"] = None
    # Elsewhere these are written out where TGI leaves them away.
    found["top_p"] = None if found["top_p"] == 1 else found["top_p"]
    found["top_k"] = None if found["top_k"] in (0, -1) else found["top_k"]
    found["seed"] = None if found["seed"] is None else found["seed"] % 2**64
    return found


def _adapter(model: str | None, rules: Rules, adapters: tuple[str, ...]) -> str | None:
    if not model or model in rules.own_names:
        return None
    if model in adapters:
        return model
    known = ", ".join((*sorted(rules.own_names), *adapters))
    message = f"The model `{model[:200]}` does not exist; known ones: {known}"
    raise RequestError(404, "model_not_found", message)


def _stop(value: Any, rules: Rules) -> list[str]:
    if isinstance(value, str) and not rules.is_tgi:
        return [value]
    return [] if value is None else typed("stop", value, "strings")


def _messages(messages: list, rules: Rules) -> list[dict[str, Any]]:
    """Return messages whose contents are texts."""
    return [_message(f"messages[{place}]", message, rules) for place, message in enumerate(messages)]


def _message(place: str, message: Any, rules: Rules) -> dict[str, Any]:
    typed(place, message, "map")
    for name in ("role", "content"):
        if name not in message:
            raise RequestError(422, "validation", f"{place}: missing field `{name}`")
    if message.get("tool_calls"):
        raise invalid(f"`{place}.tool_calls` is not supported by this server")
    content = message["content"]
    if isinstance(content, list):
        parts = [_part(f"{place}.content[{number}]", part) for number, part in enumerate(content)]
        content = rules.part_separator.join(parts)
    checked = {
        "role": typed(f"{place}.role", message["role"], "string"),
        "content": typed(f"{place}.content", content, "string"),
    }
    if message.get("name") is not None:
        checked["name"] = typed(f"{place}.name", message["name"], "string")
    return checked


def _part(place: str, part: Any) -> str:
    typed(place, part, "map")
    if part.get("type") != "text":
        raise invalid(f"`{place}` of the type {str(part.get('type'))[:60]!r} is not supported: send text")
    return typed(f"{place}.text", part.get("text"), "string")


def _text(prompt: Any) -> str:
    if isinstance(prompt, list):
        if len(prompt) != 1:
            raise RequestError(
                422, "batch size exceeded", "Number of prompts exceeds the maximum allowed batch size of 1"
            )
        prompt = prompt[0]
    return typed("prompt", prompt, "string")
