"""From a chosen id to a token: its text, whether it is special, and whether the generation ends with it."""

from __future__ import annotations

from collections.abc import Sequence

from serve.engine import EOS_TOKEN, LENGTH, STOP_SEQUENCE, Sampling, Token
from serve.text import Detokenizer, TextCodec


class TokenStream:
    """Follow one generation; every engine uses it, so that all end alike.

    Args:
        codec: Of the model.
        prompt_ids: What is continued.
        sampling: Says when to stop.
    """

    def __init__(self, codec: TextCodec, prompt_ids: Sequence[int], sampling: Sampling) -> None:
        self._codec = codec
        self._detokenizer = Detokenizer(codec, prompt_ids)
        self._num_left = sampling.max_new_tokens
        self._stop = sampling.stop
        self._tail = ""
        # A stop text is looked for at the end of the output, so no more of it is needed than this.
        self._tail_length = max(map(len, sampling.stop), default=0) + 1

    def add(self, id_: int, logprob: float) -> Token:
        """Return the token of the next chosen id."""
        self._num_left -= 1
        special = self._codec.is_special(id_)
        text = self._codec.special_text(id_) if special else self._detokenizer.add(id_)
        finish_reason = self._finish_reason(id_, text)
        if finish_reason and not special:
            text += self._detokenizer.flush()
        return Token(id_, text, logprob, special, finish_reason)

    def _finish_reason(self, id_: int, text: str) -> str | None:
        """Ask in TGI's order: the last allowed token ends by length, even when it is the end token.

        Source: text-generation-inference 3.3.7, utils/tokens.py (StoppingCriteria). Its pattern for a stop
        text ends in `$`, which also stands before one last line break.
        """
        if self._num_left <= 0:
            return LENGTH
        if id_ in self._codec.eos_ids:
            return EOS_TOKEN
        if self._stop:
            self._tail = (self._tail + text)[-self._tail_length - len(text) :]
            if any(self._tail.endswith((stop, stop + "\n")) for stop in self._stop):
                return STOP_SEQUENCE
        return None
