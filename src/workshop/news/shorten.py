"""Fit every row into a model's context by shortening its article, never its summary."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from workshop.errors import WorkshopError
from workshop.news.sentences import sentence_ends
from workshop.news.table import News
from workshop.prompt import BEGIN_TOKEN, END_TOKEN, chat_messages, render

if TYPE_CHECKING:
    import pandas as pd

SUMMARY_TOO_LONG = "the summary alone does not fit the context"
NO_SENTENCE_FITS = "not even the article's first sentence fits the context"
TOO_LITTLE_LEFT = "summary not shorter than the part of its article that fits the context"

_BATCH_ROWS = 1_000
# Private characters that stand for article and summary while the format around them is rendered.
_ARTICLE, _SUMMARY = "\ue000", "\ue001"

CountTokens = Callable[[list[str]], list[int]]


def shorten(news: News, tokenizer: object, max_tokens: int) -> News:
    """Shorten articles, on a sentence boundary, until prompt and summary fit the context.

    As many of the article's first sentences stay as fit. Rows that cannot be made to fit are rejected, with
    the reason; how many were shortened is in the changes.

    Args:
        news: cleaned news.
        tokenizer: the model's; from transformers, from tokenizers, or anything with `encode(text)`.
        max_tokens: the context in tokens, for the rendered row with its special tokens.

    Raises:
        WorkshopError: the prompt's own sentences leave no room.
    """
    count = _counter(tokenizer)
    frame = _Frame(tokenizer)
    num_own_tokens = count([frame.row("", "")])[0]
    if num_own_tokens >= max_tokens:
        raise WorkshopError(
            found=f"a context of {max_tokens} tokens, and {num_own_tokens} in the prompt without any article",
            expected=f"a context well above {num_own_tokens} tokens",
            next_step="raise max_tokens, or choose a base model with a longer context",
        )
    reasons: dict[str, dict[int, str]] = {}
    num_shortened = dict.fromkeys(news.splits, 0)
    splits = dict(news.splits)
    for split, rows in news.splits.items():
        shorter, reasons[split] = _shorten_rows(rows, frame, count, max_tokens)
        num_shortened[split] = len(shorter)
        if shorter:
            documents = rows["document"].copy()
            documents.iloc[list(shorter)] = list(shorter.values())
            splits[split] = rows.assign(document=documents)
    news = replace(news, splits=splits).reject(reasons)
    return news.changed(f"article shortened to fit {max_tokens:,} tokens", num_shortened)


def count_tokens(rows: "pd.DataFrame", tokenizer: object) -> list[int]:
    """Return how many tokens each rendered row has, special tokens included."""
    count, frame = _counter(tokenizer), _Frame(tokenizer)
    return [
        num_tokens
        for _, texts in _batches(rows)
        for num_tokens in count([frame.row(*text) for text in texts])
    ]


def _shorten_rows(
    rows: "pd.DataFrame", frame: "_Frame", count: CountTokens, max_tokens: int
) -> tuple[dict[int, str], dict[int, str]]:
    """Return the new article of each row that was shortened and the reason of each that cannot be."""
    shorter: dict[int, str] = {}
    reasons: dict[int, str] = {}
    for start, texts in _batches(rows):
        rendered = {start + offset: frame.row(*text) for offset, text in enumerate(texts)}
        # A tokenizer that knows bytes makes at most one token of each, and one for a leading space: rows of
        # fewer bytes than the context need no counting.
        unsure = [row for row, text in rendered.items() if len(text.encode()) >= max_tokens]
        num_tokens = count([rendered[row] for row in unsure]) if unsure else []
        for row, num in zip(unsure, num_tokens, strict=True):
            if num > max_tokens:
                article, summary = texts[row - start]
                result = _longest_beginning(article, summary, num, frame, count, max_tokens)
                (reasons if result in _REASONS else shorter)[row] = result
    return shorter, reasons


_REASONS = (SUMMARY_TOO_LONG, NO_SENTENCE_FITS, TOO_LITTLE_LEFT)


def _longest_beginning(
    article: str, summary: str, num_tokens: int, frame: "_Frame", count: CountTokens, max_tokens: int
) -> str:
    """Return as many first sentences as fit, or the reason why none do.

    Args:
        num_tokens: what the whole row has; the search begins where the share that is too much says.
    """

    def fits(num_sentences: int) -> bool:
        beginning = article[: ends[num_sentences - 1]] if num_sentences else ""
        return count([frame.row(beginning, summary)])[0] <= max_tokens

    ends = sentence_ends(article)
    chars_per_token = len(frame.row(article, summary)) / num_tokens
    num_chars = len(article) - (num_tokens - max_tokens) * chars_per_token
    most = _largest(fits, guess=bisect_right(ends, num_chars), too_large=len(ends))
    if most == 0:
        return NO_SENTENCE_FITS if fits(0) else SUMMARY_TOO_LONG
    beginning = article[: ends[most - 1]]
    return beginning if len(summary) < len(beginning) else TOO_LITTLE_LEFT


def _largest(fits: Callable[[int], bool], *, guess: int, too_large: int) -> int:
    """Return the largest number that fits, 0 unless another does; few are tried when the guess is good."""
    low, high, step = 0, too_large, 1
    guess = max(1, min(guess, high - 1))
    while high - low > 1:
        if fits(guess):
            low = guess
            guess = guess + step if high == too_large else (low + high) // 2
        else:
            high = guess
            guess = guess - step if low == 0 else (low + high) // 2
        step *= 2
        if not low < guess < high:
            guess = (low + high) // 2
    return low


class _Frame:
    """The rendered format around article and summary, so that rendering a row is joining five strings."""

    def __init__(self, tokenizer: object) -> None:
        text = render(
            chat_messages(_ARTICLE, _SUMMARY),
            begin_token=getattr(tokenizer, "bos_token", None) or BEGIN_TOKEN,
            end_token=getattr(tokenizer, "eos_token", None) or END_TOKEN,
        )
        self._before, rest = text.split(_ARTICLE)
        self._between, self._after = rest.split(_SUMMARY)

    def row(self, article: str, summary: str) -> str:
        return f"{self._before}{article}{self._between}{summary}{self._after}"


def _counter(tokenizer: object) -> CountTokens:
    """Return the quickest way the tokenizer has to count the tokens of many texts."""
    backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
    # A tokenizer that cuts or pads would count wrongly here; through its own call it does not.
    if hasattr(backend, "encode_batch_fast") and backend.truncation is None and backend.padding is None:
        return lambda texts: [len(row) for row in backend.encode_batch_fast(texts, add_special_tokens=False)]
    if callable(tokenizer):
        return lambda texts: [len(ids) for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]]
    # May count a special token that `encode` adds: then a row is at most one token shorter than it could be.
    return lambda texts: [len(tokenizer.encode(text)) for text in texts]


def _batches(rows: "pd.DataFrame") -> Iterator[tuple[int, Sequence[tuple[str, str]]]]:
    for start in range(0, len(rows), _BATCH_ROWS):
        batch = rows.iloc[start : start + _BATCH_ROWS]
        yield start, list(zip(batch["document"].tolist(), batch["summary"].tolist(), strict=True))
