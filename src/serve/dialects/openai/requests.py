"""OpenAI's chat and completion bodies, as TGI, vLLM and LMI read them, turned into TGI's request.

The dialects differ in defaults, in names of the model and in what they know: those are values of `Rules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from serve.bodies import missing_field, wrong_type
from serve.body_fields import Table, parameters, read
from serve.chat_template import ChatTemplate
from serve.dialects.openai.prompts import chat_prompt, completion_prompts, echo, read_messages
from serve.dialects.openai.vllm_values import Kind, check_combinations, read_stop, vllm_values
from serve.errors import RequestError, invalid
from serve.request import DEFAULTS, GenerateRequest


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How a dialect reads OpenAI's bodies.

    Args:
        tables: Fields, by kind of body, and of a "message" and of "stream_options".
        own_names: Values of `model` that mean the model itself.
        is_tgi: TGI's `stop` is a list, at most four, kept in the answer; its presence_penalty is a repetition
            penalty less 2; types are strict; a last message of the assistant is continued. vLLM's way if not.
        part_separator: Between the text parts of one message.
        max_prompts: Of a completion; None for any number.
        max_tokens: Where a body has none, by kind; None for the rest of the context.
        defaults: Sampling parameters where a body has none, under TGI's names.
    """

    tables: Mapping[str, Table]
    own_names: frozenset[str]
    is_tgi: bool = False
    part_separator: str = ""
    max_prompts: int | None = None
    max_tokens: Mapping[Kind, int | None] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class OpenAIRequest:
    """A checked body.

    Args:
        kind: Chat or completion.
        all: The same in TGI's terms, for each prompt and each answer to it.
        num_answers: To each prompt.
        model: As the caller named it; None where it did not.
        logprobs: Asked for.
        include_usage: In a stream, a last chunk with the counts.
        usage_in_chunks: In every chunk as well.
        echo: What stands before the answer.
        request_id: As the caller gave it.
    """

    kind: Kind
    all: tuple[GenerateRequest, ...]
    model: str | None
    logprobs: bool
    include_usage: bool
    usage_in_chunks: bool = False
    echo: str = ""
    request_id: str | None = None
    num_answers: int = 1

    @property
    def generate(self) -> GenerateRequest:
        """The first, and in a stream the only one."""
        return self.all[0]


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
    table = rules.tables[kind]
    given = read(value, table, lax=not rules.is_tgi)
    if not rules.is_tgi:
        check_combinations(kind, value, given)
    messages = _messages(given["messages"], rules) if kind == "chat" else []
    stop = (given.get("stop") or []) if rules.is_tgi else read_stop(given.get("stop"))
    found = parameters(given, table) | {"stop": stop if rules.is_tgi else []}
    found |= _sampling(kind, given, found, rules) | {
        "adapter_id": _adapter(given.get("model"), rules, adapters)
    }
    logprobs = given.get("logprobs")  # of a completion 0 asks for them, too
    wants_logprobs = logprobs is not None and logprobs is not False
    shared = GenerateRequest(
        inputs="",
        parameters=DEFAULTS | found,
        stream=bool(given.get("stream")),
        stop_sequences=() if rules.is_tgi else tuple(stop),
        keeps_stop=bool(given.get("include_stop_str_in_output")),
        shows_special=given.get("skip_special_tokens") is False,
        is_tgi=rules.is_tgi,
        wants_logprobs=wants_logprobs,
        names={} if rules.is_tgi else _names(given, table),
    )
    prompts = _prompts(kind, messages, given, rules, template)
    num_answers = 1 if given.get("n") is None else given["n"]
    if num_answers != 1 and not (num_answers > 1 and shared.parameters["do_sample"]):
        raise invalid(f"`n` must be 1, or more where answers are drawn, got {num_answers}")
    if shared.stream and len(prompts) * num_answers > 1:
        raise invalid(
            "`stream` of more than one answer is not supported by this server: send them one by one"
        )
    generates = tuple(
        _with_own_seed(replace(shared, **prompt), number)
        for prompt in prompts
        for number in range(num_answers)
    )
    options = given.get("stream_options") or {}
    options = read(options, rules.tables["stream_options"], place="stream_options.", lax=not rules.is_tgi)
    return OpenAIRequest(
        kind=kind,
        all=generates,
        model=given.get("model"),
        logprobs=wants_logprobs,
        include_usage=bool(options.get("include_usage")),
        usage_in_chunks=bool(options.get("include_usage") and options.get("continuous_usage_stats")),
        echo=echo(given, messages, generates),
        request_id=given.get("request_id"),
        num_answers=num_answers,
    )


def _with_own_seed(request: GenerateRequest, number: int) -> GenerateRequest:
    """Return the request of one of several answers: vLLM adds the answer's number to the seed."""
    seed = request.parameters["seed"]
    if seed is None or not number:
        return request
    return replace(request, parameters=request.parameters | {"seed": (seed + number) % 2**64})


def _messages(messages: list, rules: Rules) -> list[dict[str, Any]]:
    table, separator = rules.tables["message"], "" if rules.is_tgi else rules.part_separator
    return read_messages(messages, table, separator=separator, lax=not rules.is_tgi)


def _prompts(
    kind: Kind, messages: list[dict[str, Any]], given: Mapping[str, Any], rules: Rules, template: ChatTemplate
) -> list[dict[str, Any]]:
    """Return the fields of a request that hold its prompt, for each prompt."""
    if kind == "chat":
        if rules.is_tgi:
            return [{"inputs": template.render_as_tgi(messages), "is_rendered": True}]
        return [chat_prompt(messages, given, template)]
    prompts = completion_prompts(given, is_tgi=rules.is_tgi)
    if rules.max_prompts is not None and len(prompts) > rules.max_prompts:
        message = f"Number of prompts exceeds the maximum allowed batch size of {rules.max_prompts}"
        raise RequestError(422, "batch size exceeded", message)
    return prompts


def _names(given: Mapping[str, Any], table: Table) -> dict[str, str]:
    """Return parameter -> the field that sets it; of several the one that counts."""
    rows = [(row.sets, name) for name, row in table.items() if row.sets]
    return dict(rows) | {sets: name for sets, name in rows if given.get(name) is not None}


def _sampling(kind: Kind, given: Mapping[str, Any], found: Mapping[str, Any], rules: Rules) -> dict[str, Any]:
    """Return what differs from the fields as they are: all sample, unless the temperature is exactly 0."""
    asked = {**rules.defaults, **found}
    temperature = asked.get("temperature")
    greedy = {"temperature": None} if temperature == 0 else {}
    result = {**asked, "do_sample": temperature != 0, "details": True, **greedy}
    if result.get("max_new_tokens") is None:
        result["max_new_tokens"] = rules.max_tokens.get(kind)
    if rules.is_tgi:
        if given.get("presence_penalty") is not None:
            result["repetition_penalty"] = given["presence_penalty"] + 2.0
        return result
    return result | vllm_values(result)


def _adapter(model: str | None, rules: Rules, adapters: tuple[str, ...]) -> str | None:
    if not model or model in rules.own_names:
        return None
    if rules.is_tgi and not adapters:
        return None  # TGI answers any name with its model; without adapters none can be meant
    if model in adapters:
        return model
    known = ", ".join((*sorted(rules.own_names), *adapters))
    message = f"The model `{model[:200]}` does not exist; known ones: {known}"
    raise RequestError(404, "model_not_found", message)
