"""The request that every dialect's ends in: TGI's fields, checked as TGI's router does it.

Source: text-generation-inference 3.3.6 (3.3.7 has the same), router/src/lib.rs and router/src/validation.rs.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from serve.engine import Engine, Sampling
from serve.errors import invalid
from serve.lengths import answer_length
from serve.text import TextCodec

EMPTY = "`inputs` cannot be empty"
MAX_STOP_SEQUENCES = 4
# TGI's --max-top-n-tokens and vLLM's --max-logprobs.
MAX_TOP_TOKENS = 5
VLLM_MAX_LOGPROBS = 20
# What a request may set, under TGI's names; those that only vLLM has are below.
DEFAULTS: dict[str, Any] = {
    "temperature": None,
    "repetition_penalty": None,
    "frequency_penalty": None,
    "top_k": None,
    "top_p": None,
    "typical_p": None,
    "do_sample": False,
    "max_new_tokens": None,
    "return_full_text": None,
    "stop": [],
    "truncate": None,
    "details": False,
    "seed": None,
    "top_n_tokens": None,
    "adapter_id": None,
    "min_p": None,
    "presence_penalty": None,
    "count_penalty": None,
    "logit_bias": None,
    "min_new_tokens": None,
    "ignore_eos": False,
    "stop_ids": [],
}
# Parameter -> values that ask for nothing, beside its default.
HARMLESS = {
    "top_n_tokens": (0,),
    "temperature": (1.0,),
    "repetition_penalty": (1.0,),
    "frequency_penalty": (0.0,),
    "min_p": (0.0,),
    "presence_penalty": (0.0,),
    "count_penalty": (0.0,),
    "logit_bias": ({},),
    "min_new_tokens": (0,),
}


@dataclass(frozen=True, kw_only=True)
class GenerateRequest:
    """A body of the right types; its values are checked by `prepare`.

    Args:
        inputs: The prompt.
        parameters: Every one of DEFAULTS.
        stream: Asked for; counts on `/` and `/invocations` only.
        is_rendered: The prompt has its special tokens, as a rendered chat template has them.
        ids: The prompt's tokens, in place of `inputs`.
        stop_sequences: They end the answer wherever they are, and are left out of it (OpenAI's `stop`).
        keeps_stop: What ended the answer stays in it (vLLM's include_stop_str_in_output).
        shows_special: Special tokens are text (vLLM's skip_special_tokens: false).
        is_tgi: TGI's lengths, see serve.lengths, and its limit of MAX_TOP_TOKENS; vLLM's if not.
        wants_logprobs: In vLLM of the model's own scores, before penalties, temperature and warpers.
        names: Parameter -> what the body calls it, where that is another name.
    """

    inputs: str
    parameters: dict[str, Any] = field(default_factory=dict)
    stream: bool = False
    is_rendered: bool = False
    ids: tuple[int, ...] | None = None
    stop_sequences: tuple[str, ...] = ()
    keeps_stop: bool = False
    shows_special: bool = False
    is_tgi: bool = False
    wants_logprobs: bool = False
    names: Mapping[str, str] = field(default_factory=dict)

    def name(self, parameter: str) -> str:
        """Return how the body calls a parameter, quoted for a message."""
        return f"`{self.names.get(parameter, parameter)}`"


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
    _check_ranges(request)
    if not request.inputs and not request.ids:
        raise invalid(EMPTY)
    truncate = given["truncate"]
    if truncate == -1:  # vLLM: to what leaves room for the answer; in TGI it is no value
        truncate = min(max_total - (given["max_new_tokens"] or 1), max_input)
    if truncate is not None and not 0 < truncate <= max_input:
        name = request.name("truncate")
        raise invalid(f"{name} must be strictly positive and less than {max_input}. Given: {truncate}")
    ids = _prompt_ids(request, codec)
    if not ids:  # a tokenizer may drop all there is, and add nothing
        raise invalid(EMPTY)
    if truncate is not None:
        ids = ids[-truncate:]  # TGI and vLLM keep the end, too
    num_new = answer_length(
        given["max_new_tokens"], len(ids),
        is_tgi=request.is_tgi, name=request.name("max_new_tokens"), max_input=max_input, max_total=max_total,
    )  # fmt: skip
    if (given["min_new_tokens"] or 0) > num_new:
        raise invalid(f"{request.name('min_new_tokens')} must be <= {num_new}, the tokens of the answer")
    return Prompt(ids=ids, sampling=_sampling(request, num_new), adapter=given["adapter_id"])


def _prompt_ids(request: GenerateRequest, codec: TextCodec) -> list[int]:
    given = request.parameters
    for place, ids in (
        ("the prompt", request.ids),
        (request.name("stop_ids"), given["stop_ids"]),
        (request.name("logit_bias"), given["logit_bias"]),
    ):
        for id_ in ids or ():
            if not 0 <= id_ < codec.num_ids:
                raise invalid(f"{place}: token id {id_} is out of vocabulary, 0 to {codec.num_ids - 1}")
    if request.ids is not None:
        return list(request.ids)
    return codec.encode(request.inputs, add_special_tokens=not request.is_rendered)


def unknown_adapter(name: str, adapters: tuple[str, ...]) -> str:
    known = ", ".join(adapters) or "none (start the server with LORA_ADAPTERS)"
    return f"the adapter {name[:60]!r} is not loaded; known ones: {known}"


def _check_offered(request: GenerateRequest, engine: Engine) -> None:
    given = request.parameters

    def asks(name: str) -> bool:
        if name == "seed" and not _draws(given):
            return False
        return given[name] != DEFAULTS[name] and given[name] not in HARMLESS.get(name, ())

    for name in DEFAULTS:
        if name in engine.unsupported and asks(name):
            raise invalid(f"{request.name(name)} is not supported by the engine {engine.name} of this server")
    if given["adapter_id"] is not None and given["adapter_id"] not in engine.adapters:
        raise invalid(f"`adapter_id`: {unknown_adapter(given['adapter_id'], engine.adapters)}")


def _check_ranges(request: GenerateRequest) -> None:
    given = request.parameters

    def check(names: Iterable[str], is_good: Callable[[Any], bool], expected: str) -> None:
        for name in names:
            if given[name] is not None and not is_good(given[name]):
                raise invalid(f"{request.name(name)} must be {expected}")

    positive = "strictly positive"
    check(("temperature", "repetition_penalty"), lambda value: value > 0, positive)
    penalties = ("frequency_penalty", "presence_penalty", "count_penalty")
    check(penalties, lambda value: -2 <= value <= 2, ">= -2.0 and <= 2.0")
    check(("top_p", "typical_p"), lambda value: 0 < value < 1, "> 0.0 and < 1.0")
    check(("top_k", "max_new_tokens"), lambda value: value > 0, positive)
    most = MAX_TOP_TOKENS if request.is_tgi else VLLM_MAX_LOGPROBS
    if (number := given["top_n_tokens"]) is not None and number > most:
        raise invalid(f"{request.name('top_n_tokens')} must be >= 0 and <= {most}. Given: {number}")
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


def _sampling(request: GenerateRequest, max_new_tokens: int) -> Sampling:
    given = request.parameters

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
        num_top=value("top_n_tokens", 0),
        min_p=value("min_p", 0.0),
        presence_penalty=value("presence_penalty", 0.0),
        count_penalty=value("count_penalty", 0.0),
        logit_bias=tuple(value("logit_bias", {}).items()),
        min_new_tokens=value("min_new_tokens", 0),
        ignore_eos=given["ignore_eos"],
        stop_ids=frozenset(given["stop_ids"]),
        end_before_length=not request.is_tgi,
        raw_logprobs=request.wants_logprobs and not request.is_tgi,
    )
