"""Values as vLLM and LMI take them: their combinations and ranges, turned into TGI's terms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from serve.bodies import typed
from serve.errors import invalid

Kind = Literal["chat", "completion"]

_VLLM_RANGES = (
    ("top_p", lambda value: 0 < value <= 1, "in (0, 1]"),
    ("top_k", lambda value: value >= -1, "0 or -1 (all), or at least 1"),
    ("min_p", lambda value: 0 <= value <= 1, "in [0, 1]"),
)


def vllm_values(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return sampling parameters in TGI's terms where vLLM writes out what TGI leaves away.

    Args:
        asked: Under the names of serve.request.

    Raises:
        RequestError: 422: a value is out of vLLM's range, even where it would have no effect.
    """
    for name, is_good, expected in _VLLM_RANGES:
        if (value := asked.get(name)) is not None and not is_good(value):
            raise invalid(f"`{name}` must be {expected}, got {value}")
    greedy = not asked["do_sample"]  # nothing is drawn, so nothing may switch drawing on
    top_p, top_k, seed = asked.get("top_p"), asked.get("top_k"), asked.get("seed")
    return {
        "top_p": None if greedy or top_p == 1 else top_p,
        "top_k": None if greedy or top_k in (0, -1) else top_k,
        "min_p": None if greedy else asked.get("min_p"),
        "seed": None if seed in (None, -1) else seed % 2**64,
        "logit_bias": _biases(asked.get("logit_bias")),
    }


def _biases(given: Mapping[str, Any] | None) -> dict[int, float] | None:
    """Return a bias for each token id, -100 to 100."""
    if given is None:
        return None
    found = {}
    for name, bias in given.items():
        id_ = typed(f"logit_bias[{name[:20]!r}]", name, "u32", lax=True)
        found[id_] = min(max(typed(f"logit_bias.{name}", bias, "f32", lax=True), -100.0), 100.0)
    return found


def read_stop(value: Any) -> list[str]:
    """Return vLLM's `stop`: a text, or a list of them, none empty.

    Raises:
        RequestError: 422.
    """
    stop = [value] if isinstance(value, str) else typed("stop", value, "strings?") or []
    if not all(stop):
        raise invalid("`stop` cannot contain an empty string")
    return stop


def check_combinations(kind: Kind, value: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Refuse fields that contradict each other, as vLLM does.

    Args:
        value: The body.
        given: Its fields that are done.

    Raises:
        RequestError: 422.

    Source: vLLM, entrypoints/openai/chat_completion/protocol.py and completion/protocol.py (validators).
    """
    if value.get("stream_options") and not value.get("stream"):
        raise invalid("`stream_options`: only with `stream`: true")
    if given.get("continue_final_message") and given.get("add_generation_prompt", True):
        raise invalid("`continue_final_message` needs `add_generation_prompt`: false")
    if kind == "chat" and given.get("top_logprobs") and not given.get("logprobs"):
        raise invalid("`top_logprobs` needs `logprobs`: true")
    if kind == "completion" and given.get("echo") and given.get("logprobs") is not None:
        raise invalid("`echo` with `logprobs` is not supported by this server: the prompt has none")
