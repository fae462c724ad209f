"""How an answer is generated, in one set of names for every engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any

from workshop.errors import WorkshopError

MAX_NEW_TOKENS = 160
"""Of a summary; the longest reference of the workshop's news has fewer in Llama 3's tokens."""

MAX_STOPS = 4
"""TGI's and OpenAI's limit."""


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """Hold the parameters of one request; greedy unless temperature, top_p or top_k ask for sampling.

    Args:
        max_new_tokens: Longest answer, in tokens, 1 or more.
        temperature: 0 or None is greedy; 1 leaves the model's distribution as it is.
        top_p: Sample from the most likely tokens that sum up to it, above 0, at most 1 (all).
        top_k: Sample from the k most likely tokens; 0 is all.
        repetition_penalty: Above 0; 1 is none.
        stop: Texts that end the answer, at most 4. TGI keeps the found one in the answer, vLLM does not.
        seed: Of the sampling, 0 or more; the same seed gives the same answer on the same server.

    Raises:
        WorkshopError: A value is out of range, or they contradict each other.
    """

    max_new_tokens: int = MAX_NEW_TOKENS
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.stop, str):
            object.__setattr__(self, "stop", (self.stop,))
        object.__setattr__(self, "stop", tuple(self.stop))
        _check("max_new_tokens", self.max_new_tokens, int, lambda value: value >= 1, "a whole number above 0")
        _check("temperature", self.temperature, float, lambda value: value >= 0, "0 (greedy) or more")
        _check("top_p", self.top_p, float, lambda value: 0 < value <= 1, "above 0 and at most 1")
        _check("top_k", self.top_k, int, lambda value: value >= 0, "a whole number, 0 (all) or more")
        _check("repetition_penalty", self.repetition_penalty, float, lambda value: value > 0, "above 0")
        _check("seed", self.seed, int, lambda value: value >= 0, "a whole number, 0 or more")
        if len(self.stop) > MAX_STOPS or not all(isinstance(text, str) and text for text in self.stop):
            raise _wrong("stop", self.stop, f"at most {MAX_STOPS} texts, none of them empty")
        if self.temperature == 0 and self._narrows:
            raise _wrong("temperature", 0, "more than 0 beside top_p or top_k: 0 is greedy, they sample")

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Parameters:
        """Build parameters from keywords.

        Raises:
            WorkshopError: An unknown name, with the closest known one.
        """
        known = [field.name for field in fields(cls)]
        for name in given:
            if name not in known:
                close = get_close_matches(name, known, n=1, cutoff=0.4)
                raise WorkshopError(
                    found=f"the parameter {name!r}",
                    expected=f"closest: {close[0]}" if close else f"one of {', '.join(known)}",
                    next_step="correct its name; the dialect writes it in the engine's own",
                )
        return cls(**given)

    @property
    def samples(self) -> bool:
        """Whether tokens are drawn; greedy otherwise."""
        return bool(self.temperature) or self._narrows

    @property
    def _narrows(self) -> bool:
        return self.top_p not in (None, 1) or self.top_k not in (None, 0)

    @property
    def sampling_temperature(self) -> float:
        """The temperature to send: 0 when greedy; 1 when only top_p or top_k ask for sampling."""
        return (self.temperature or 1.0) if self.samples else 0.0


def _check(name: str, value: Any, kind: type, is_good: Any, expected: str) -> None:
    if value is None and name != "max_new_tokens":
        return
    kinds = (int, float) if kind is float else (int,)
    if not isinstance(value, kinds) or isinstance(value, bool) or not is_good(value):
        raise _wrong(name, value, expected)


def _wrong(name: str, value: Any, expected: str) -> WorkshopError:
    return WorkshopError(found=f"{name} = {value!r}", expected=expected, next_step=f"correct {name}")
