"""OpenAI's stop sequences: the answer ends before one, wherever in a token it begins or ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from serve.engine import STOP_SEQUENCE, Token


class StopSequences:
    """Hold text back while it may be the beginning of a stop sequence.

    TGI's `stop` is the engine's: found at the end of a token, kept in the answer. These are applied to an
    engine's tokens on their way out, for the dialects that leave the sequence out.

    Args:
        stop: Texts, none of them empty.
        keep: Leave the text that is found in the answer (vLLM's include_stop_str_in_output).
        min_tokens: A stop text that ends within so many tokens does not count (vLLM's min_tokens).
    """

    def __init__(self, stop: Sequence[str], *, keep: bool = False, min_tokens: int = 0) -> None:
        self._stop = tuple(stop)
        self._keep = keep
        self._num_held = max(map(len, stop)) - 1
        self._held = ""
        self._num_passing = min_tokens
        self._num_passed = 0  # characters of those tokens that are held back
        self.found: str | None = None

    def add(self, token: Token) -> Token:
        """Return the token with the text that can be shown; it is the last when a stop sequence was found."""
        if not token.special:
            self._held += token.text
        if self._num_passing:
            self._num_passing -= 1
            self._num_passed = len(self._held)
        found = [(start, stop) for stop in self._stop if (start := self._find(stop)) >= 0]
        if found:
            start, self.found = min(found)
            shown, self._held = self._held[: start + (len(self.found) if self._keep else 0)], ""
            return replace(token, text=shown, special=False, finish_reason=STOP_SEQUENCE)
        if token.finish_reason is not None:
            shown, self._held = self._held, ""
            # What was held back is shown with the last token, even where that is an end token.
            return replace(token, text=shown, special=False) if shown or not token.special else token
        end = max(len(self._held) - self._num_held, 0)
        shown, self._held = self._held[:end], self._held[end:]
        self._num_passed = max(self._num_passed - end, 0)
        return replace(token, text=shown)

    def _find(self, stop: str) -> int:
        """Return where a stop text begins that ends after the tokens that do not count, else -1."""
        return self._held.find(stop, max(self._num_passed - len(stop) + 1, 0))
