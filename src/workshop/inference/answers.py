"""What a model has answered: whole, or piece by piece as it is made."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from workshop.errors import WorkshopError


class InferenceError(WorkshopError):
    """A server refused a request, failed, or answered in a form that its engine does not use.

    Args:
        found, expected, next_step: As in every error of the workshop.
        status: HTTP status; None for an error inside a stream and for no answer at all.
        is_overload: The server had no room: the same request may succeed later.
        is_too_long: The prompt, or prompt and answer, have more tokens than the server takes.
    """

    def __init__(
        self,
        *,
        found: str,
        expected: str,
        next_step: str,
        status: int | None = None,
        is_overload: bool = False,
        is_too_long: bool = False,
    ) -> None:
        super().__init__(found=found, expected=expected, next_step=next_step)
        self.status, self.is_overload, self.is_too_long = status, is_overload, is_too_long


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A finished answer.

    Attributes:
        text: Without the space that begins it.
        finish_reason: In the engine's word ("eos_token", "length", "stop", ...); None when it says none.
        num_prompt_tokens: None when the engine reports none.
        num_generated_tokens: None when the engine reports none.
        seconds: From sending the request to the answer's end.
        first_token_s: From sending the request to the first token; None when it did not stream.
        model: As the server calls it, in OpenAI's form; "" where it says none.
    """

    text: str
    finish_reason: str | None = None
    num_prompt_tokens: int | None = None
    num_generated_tokens: int | None = None
    seconds: float | None = None
    first_token_s: float | None = None
    model: str = ""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """What one event of a stream adds.

    Attributes:
        text: "" for the end token and for events that carry only numbers.
        is_token: Whether the event carries a token (engines may join a few into one event).
        is_special: The token is not part of the text.
        is_last: Nothing but numbers may follow.
        finish_reason: As in Answer, on the last one.
        num_prompt_tokens: On the last one, where the engine tells.
        num_generated_tokens: On the last one, where the engine tells.
    """

    text: str = ""
    is_token: bool = False
    is_special: bool = False
    is_last: bool = False
    finish_reason: str | None = None
    num_prompt_tokens: int | None = None
    num_generated_tokens: int | None = None


class AnswerStream:
    """Pieces of an answer, once, as they come; at the end the whole answer.

    Args:
        pieces: What a dialect reads from a stream.
        started_s: When the request was sent (time.perf_counter).

    Attributes:
        token_times_s: When each token came, counted from the sending of the request.
    """

    def __init__(self, pieces: Iterator[Piece], started_s: float) -> None:
        self._pieces, self._started_s = pieces, started_s
        self._texts: list[str] = []
        self._ended: Answer | None = None
        self.token_times_s: list[float] = []

    def __iter__(self) -> Iterator[Piece]:
        finish_reason = num_prompt_tokens = num_generated_tokens = None
        for piece in self._pieces:
            if piece.is_token:
                self.token_times_s.append(time.perf_counter() - self._started_s)
            self._texts.append(piece.text)
            finish_reason = piece.finish_reason or finish_reason
            num_prompt_tokens = piece.num_prompt_tokens or num_prompt_tokens
            num_generated_tokens = piece.num_generated_tokens or num_generated_tokens
            yield piece
        self._ended = Answer(
            text="".join(self._texts).strip(),
            finish_reason=finish_reason,
            num_prompt_tokens=num_prompt_tokens,
            num_generated_tokens=num_generated_tokens or len(self.token_times_s),
            seconds=time.perf_counter() - self._started_s,
            first_token_s=self.token_times_s[0] if self.token_times_s else None,
        )

    @property
    def answer(self) -> Answer:
        """The whole answer; what nobody has read yet is read first."""
        for _ in self if self._ended is None else ():
            pass
        assert self._ended is not None, "the stream was left before its end"
        return self._ended

    def close(self) -> None:
        """Leave the stream before its end: the connection closes, and the server stops generating."""
        self._pieces.close()
