"""Requests of this workshop as a server sees them: how many tokens come in, how many are to be written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workshop.errors import WorkshopError
from workshop.inference import prompt_text
from workshop.prompt import chat_messages

TOKENIZER = "src/sample/base/model/tokenizer.json"


@dataclass(frozen=True, kw_only=True)
class Requests:
    """A day's requests for summaries.

    Args:
        prompts: Token ids of each, as they are sent.
        num_prompt: Tokens of each prompt.
        num_answer: Tokens of each summary.
    """

    prompts: list[list[int]]
    num_prompt: np.ndarray
    num_answer: np.ndarray


def summary_requests(repo_dir: Path, num_articles: int, *, seed: int) -> Requests:
    """Return the requests for summaries of this repository's own articles, hand-written ones first.

    They are counted by the small base model's tokenizer, whose vocabulary of 2,048 makes more tokens of a
    text than a large one does: what is compared is the spread of lengths, not their size.

    Raises:
        WorkshopError: No article.
    """
    from tokenizers import Tokenizer

    from sample.news import generator, handwritten

    if num_articles < 1:
        raise WorkshopError(
            found=f"{num_articles} articles", expected="at least one", next_step="ask for more"
        )
    written = [row for split in handwritten.SPLITS for row in handwritten.rows(split)]
    num_generated = max(0, num_articles - len(written))
    drawn = generator.rows_with_values(num_generated, seed, held_out_names=True)
    rows = [*written, *(row for row, _ in drawn)][:num_articles]
    tokenizer = Tokenizer.from_file(str(repo_dir / TOKENIZER))
    texts = [prompt_text(chat_messages(row["document"])) for row in rows]
    prompts = [one.ids for one in tokenizer.encode_batch(texts)]
    answers = tokenizer.encode_batch([row["summary"] for row in rows], add_special_tokens=False)
    return Requests(
        prompts=prompts,
        num_prompt=np.array([len(one) for one in prompts]),
        num_answer=np.array([len(one.ids) + 1 for one in answers]),  # and the token that ends it
    )
