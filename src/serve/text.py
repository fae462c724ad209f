"""Text to ids and back, with the model's own tokenizer.json; and where a generation ends."""

from __future__ import annotations

from collections.abc import Sequence

from serve.engine import EOS_TOKEN, LENGTH, STOP_SEQUENCE, Sampling, Token, TopTokens

# What a decoder writes for bytes that are not a whole character (yet).
INCOMPLETE = "�"
# Ids of the prompt's end that are decoded along: some tokenizers write a token differently at a text's start.
NUM_CONTEXT_IDS = 5


class TextCodec:
    """Encode prompts and decode generated ids.

    Args:
        tokenizer: A `tokenizers.Tokenizer`.
        bos_id: Id of the begin token; None when the model has none.
        eos_ids: Ids that end a generation.
    """

    def __init__(self, tokenizer, *, bos_id: int | None, eos_ids: frozenset[int]) -> None:
        self._tokenizer = tokenizer
        self._bos_id = bos_id
        self.eos_ids = eos_ids
        added = tokenizer.get_added_tokens_decoder()
        self._special_ids = {id_ for id_, token in added.items() if token.special} | eos_ids

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        """Return the ids of a prompt, as the tokenizer's own post-processor frames them.

        A text that already starts with the begin token gets no second one: a rendered chat template has the
        same ids as its text without it.

        Args:
            text: The prompt.
            add_special_tokens: False for a rendered chat template, which has its own.
        """
        ids = self._tokenizer.encode(text, add_special_tokens=add_special_tokens).ids
        return ids[1:] if self._begins_twice(ids) else ids

    def encode_with_places(
        self, text: str, *, add_special_tokens: bool = True
    ) -> list[tuple[int, tuple[int, int]]]:
        """Return the ids of `encode`, each with its span of characters in the text."""
        encoding = self._tokenizer.encode(text, add_special_tokens=add_special_tokens)
        pairs = list(zip(encoding.ids, encoding.offsets, strict=True))
        return pairs[1:] if self._begins_twice(encoding.ids) else pairs

    def _begins_twice(self, ids: Sequence[int]) -> bool:
        return len(ids) > 1 and ids[0] == ids[1] == self._bos_id

    def decode(self, ids: Sequence[int]) -> str:
        return self._tokenizer.decode(ids, skip_special_tokens=True)

    @property
    def num_ids(self) -> int:
        return self._tokenizer.get_vocab_size(with_added_tokens=True)

    def is_special(self, id_: int) -> bool:
        return id_ in self._special_ids

    def special_text(self, id_: int) -> str:
        return self._tokenizer.id_to_token(id_) or ""


class Detokenizer:
    """Turn ids into text one by one; half a character waits for its other bytes.

    The texts together equal the decoding of all ids at once.

    Args:
        prompt_ids: What the generated ids follow.
    """

    def __init__(self, codec: TextCodec, prompt_ids: Sequence[int]) -> None:
        self._codec = codec
        self._window = [id_ for id_ in prompt_ids[-NUM_CONTEXT_IDS:] if not codec.is_special(id_)]
        self._num_shown = len(self._window)

    def add(self, id_: int) -> str:
        """Return what the id makes readable; nothing while a character is incomplete."""
        self._window.append(id_)
        text = self._codec.decode(self._window)
        return "" if text.endswith(INCOMPLETE) else self._show(text)

    def flush(self) -> str:
        """Return what waits, a replacement character for each incomplete one."""
        return self._show(self._codec.decode(self._window)) if len(self._window) > self._num_shown else ""

    def _show(self, text: str) -> str:
        new = text[len(self._codec.decode(self._window[: self._num_shown])) :]
        # Only what was added last stays as context, so that the cost does not grow with the text.
        self._window = self._window[self._num_shown :]
        self._num_shown = len(self._window)
        return new


class TokenStream:
    """Make tokens of one generation's ids; every engine uses it, so that all end alike.

    Args:
        prompt_ids: What is continued.
        sampling: Says when to stop.
    """

    def __init__(self, codec: TextCodec, prompt_ids: Sequence[int], sampling: Sampling) -> None:
        self._codec = codec
        self._detokenizer = Detokenizer(codec, prompt_ids)
        self._num_left = sampling.max_new_tokens
        self._stop = sampling.stop
        self._eos_ids = frozenset() if sampling.ignore_eos else codec.eos_ids
        self._stop_ids = sampling.stop_ids
        self._end_before_length = sampling.end_before_length
        self._tail = ""
        # A stop text is looked for at the end of the output, so no more of it is needed than this.
        self._tail_length = max(map(len, sampling.stop), default=0) + 1

    def add(self, id_: int, logprob: float, top: TopTokens = ()) -> Token:
        """Return the token of the next chosen id."""
        self._num_left -= 1
        special = self._codec.is_special(id_)
        text = self._codec.special_text(id_) if special else self._detokenizer.add(id_)
        finish_reason = self._finish_reason(id_, text)
        if finish_reason and not special:
            text += self._detokenizer.flush()
        most_likely = tuple(map(self._top_token, top)) if top else ()
        return Token(id_, text, logprob, special, finish_reason, most_likely)

    def _top_token(self, item: tuple[int, float | None]) -> Token:
        id_, logprob = item
        special = self._codec.is_special(id_)
        text = self._codec.special_text(id_) if special else self._codec.decode([id_])
        return Token(id_, text, logprob, special)

    def _finish_reason(self, id_: int, text: str) -> str | None:
        """Ask in TGI's order: the last allowed token ends by length, even when it is the end token.

        Source: text-generation-inference 3.3.7, utils/tokens.py (StoppingCriteria). Its pattern for a stop
        text ends in `$`, which also stands before one last line break. vLLM, v1/core/sched/utils.py
        (check_stop): an end token counts first.
        """
        if self._num_left <= 0 and not self._end_before_length:
            return LENGTH
        if id_ in self._eos_ids:
            return EOS_TOKEN
        if id_ in self._stop_ids:
            return STOP_SEQUENCE
        if self._num_left <= 0:
            return LENGTH
        if self._stop:
            self._tail = (self._tail + text)[-self._tail_length - len(text) :]
            if any(self._tail.endswith((stop, stop + "\n")) for stop in self._stop):
                return STOP_SEQUENCE
        return None
