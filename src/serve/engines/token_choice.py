"""Choosing the next token from a model's logits: penalties, warpers, greedy or drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from transformers import (
    RepetitionPenaltyLogitsProcessor,
    TopKLogitsWarper,
    TopPLogitsWarper,
    TypicalLogitsWarper,
)

from serve.engine import Sampling
from serve.errors import generation_failed


class TokenChoice:
    """Choose the tokens of one generation, in the order of TGI's NextTokenChooser.

    Args:
        sampling: Parameters of the request.

    Source: text-generation-inference 3.3.7, utils/tokens.py and utils/logits_process.py.
    """

    def __init__(self, sampling: Sampling) -> None:
        self._temperature = sampling.temperature
        self._frequency_penalty = sampling.frequency_penalty
        self._repetition = None
        if sampling.repetition_penalty != 1:
            self._repetition = RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty)
        self._warpers = []
        if sampling.top_k:
            self._warpers.append(TopKLogitsWarper(sampling.top_k))
        if sampling.top_p < 1:
            self._warpers.append(TopPLogitsWarper(sampling.top_p))
        if sampling.typical_p < 1:
            self._warpers.append(TypicalLogitsWarper(sampling.typical_p))
        self._generator = torch.Generator().manual_seed(sampling.seed) if sampling.do_sample else None
        # Nothing changes the scores and nothing is drawn: such rows are chosen together.
        self.is_plain = not (
            sampling.do_sample or self._repetition or self._frequency_penalty or sampling.temperature != 1
        )

    def choose(self, scores: torch.Tensor, seen_ids: list[int]) -> tuple[int, float]:
        """Return the next id and its log-probability.

        Args:
            scores: Logits in float32, shape (1, vocabulary); changed in place.
            seen_ids: Prompt and generated ids so far.

        Raises:
            RequestError: The logits are not numbers.
        """
        if self._repetition or self._frequency_penalty:
            ids = torch.tensor([seen_ids])
            if self._repetition:
                scores = self._repetition(ids, scores)
            if self._frequency_penalty:
                shares = torch.bincount(ids[0], minlength=scores.shape[-1]) / len(seen_ids)
                scores = scores - shares * self._frequency_penalty
        if self._temperature != 1:
            # The highest becomes 0 first: a tiny temperature would make it infinite.
            scores = (scores - scores.max()) / self._temperature
        for warper in self._warpers:
            scores = warper(None, scores)
        logprobs = torch.log_softmax(scores[0], dim=-1)
        id_ = int(logprobs.argmax() if self._generator is None else self._draw(logprobs))
        logprob = float(logprobs[id_])
        if not math.isfinite(logprob):
            raise generation_failed("the model's scores are not numbers")
        return id_, logprob

    def _draw(self, logprobs: torch.Tensor) -> torch.Tensor:
        """Draw by the exponential race, as TGI does: the result depends on the seed alone."""
        noise = torch.empty_like(logprobs).exponential_(1, generator=self._generator)
        return logprobs.exp().div_(noise).argmax()


def choose_all(
    scores: torch.Tensor, choices: Sequence[TokenChoice], seen_ids: Sequence[list[int]]
) -> list[tuple[int, float] | Exception]:
    """Choose the next token of every row; an error stands where a row's scores are not numbers.

    Args:
        scores: Logits in float32, shape (rows, vocabulary); changed in place.
        choices: Of each row.
        seen_ids: Prompt and generated ids of each row.
    """
    best = logprobs = None
    if any(choice.is_plain for choice in choices):
        every = scores.log_softmax(dim=-1)
        best_ids = every.argmax(dim=-1)
        logprobs = every.gather(1, best_ids[:, None])[:, 0].tolist()
        best = best_ids.tolist()
    chosen: list[tuple[int, float] | Exception] = []
    for row, choice in enumerate(choices):
        if choice.is_plain and math.isfinite(logprobs[row]):
            chosen.append((best[row], logprobs[row]))
            continue
        try:
            chosen.append(choice.choose(scores[row : row + 1], seen_ids[row]))
        except Exception as error:  # of one row's parameters: the others continue
            chosen.append(error)
    return chosen
