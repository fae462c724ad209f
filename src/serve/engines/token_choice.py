"""Choosing the next token from a model's logits: penalties, warpers, greedy or drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from transformers import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TopKLogitsWarper,
    TopPLogitsWarper,
    TypicalLogitsWarper,
)

from serve.engine import Sampling, TopTokens
from serve.errors import generation_failed

# An id, its log-probability, and the most likely ones where they are asked for.
Choice = tuple[int, float] | tuple[int, float, TopTokens]


class TokenChoice:
    """Choose the tokens of one generation, in the order of TGI's NextTokenChooser.

    Args:
        sampling: Parameters of the request.
        num_prompt: Tokens of its prompt, which some penalties leave out.
        end_ids: That end a generation; none of them is chosen before `min_new_tokens`.

    Source: text-generation-inference 3.3.7, utils/tokens.py and utils/logits_process.py; for what TGI has
    not, vLLM, v1/sample.
    """

    def __init__(
        self, sampling: Sampling, *, num_prompt: int = 0, end_ids: frozenset[int] = frozenset()
    ) -> None:
        self._num_prompt = num_prompt
        self._num_before_end = num_prompt + sampling.min_new_tokens
        self._end_ids = sorted(end_ids | sampling.stop_ids) if sampling.min_new_tokens else []
        self._bias_ids = [id_ for id_, _ in sampling.logit_bias]
        self._bias = torch.tensor([bias for _, bias in sampling.logit_bias])
        self._presence_penalty, self._count_penalty = sampling.presence_penalty, sampling.count_penalty
        self._num_top = sampling.num_top
        self._temperature = sampling.temperature
        self._frequency_penalty = sampling.frequency_penalty
        self._repetition = None
        if sampling.repetition_penalty != 1:
            self._repetition = RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty)
        self._warpers = []
        if sampling.min_p > 0:
            self._warpers.append(MinPLogitsWarper(sampling.min_p))
        if sampling.top_k:
            self._warpers.append(TopKLogitsWarper(sampling.top_k))
        if sampling.top_p < 1:
            self._warpers.append(TopPLogitsWarper(sampling.top_p))
        if sampling.typical_p < 1:
            self._warpers.append(TypicalLogitsWarper(sampling.typical_p))
        self._generator = torch.Generator().manual_seed(sampling.seed) if sampling.do_sample else None
        self._is_changed = bool(
            self._repetition or self._frequency_penalty or self._presence_penalty or self._count_penalty
            or self._bias_ids or self._end_ids or self._warpers or sampling.temperature != 1
        )  # fmt: skip
        self._is_raw = sampling.raw_logprobs and self._is_changed
        # Nothing changes the scores and nothing is drawn: such rows are chosen together.
        self.is_plain = not (sampling.do_sample or self._is_changed or self._num_top)

    def choose(self, scores: torch.Tensor, seen_ids: list[int]) -> Choice:
        """Return the next id, its log-probability, and the most likely ones where they are asked for.

        Args:
            scores: Logits in float32, shape (1, vocabulary); changed in place.
            seen_ids: Prompt and generated ids so far.

        Raises:
            RequestError: The logits are not numbers.
        """
        raw = scores[0].log_softmax(dim=-1) if self._is_raw else None
        if self._is_changed:
            scores = self._changed(scores, seen_ids)
        logprobs = torch.log_softmax(scores[0], dim=-1)
        id_ = int(logprobs.argmax() if self._generator is None else self._draw(logprobs))
        shown = logprobs if raw is None else raw
        logprob = float(shown[id_])
        if not math.isfinite(logprob):
            raise generation_failed("the model's scores are not numbers")
        if not self._num_top:
            return id_, logprob
        top = shown.topk(min(self._num_top, shown.shape[0]))
        # What a warper has taken away has no probability: TGI writes null.
        values = [value if math.isfinite(value) else None for value in top.values.tolist()]
        return id_, logprob, tuple(zip(top.indices.tolist(), values, strict=True))

    def _changed(self, scores: torch.Tensor, seen_ids: list[int]) -> torch.Tensor:
        """Apply bias, penalties, temperature and warpers."""
        if self._bias_ids:
            scores[0, self._bias_ids] += self._bias
        if len(seen_ids) < self._num_before_end:
            scores[0, self._end_ids] = -math.inf
        if self._repetition or self._frequency_penalty:
            ids = torch.tensor([seen_ids])
            if self._repetition:
                scores = self._repetition(ids, scores)
            if self._frequency_penalty:
                shares = torch.bincount(ids[0], minlength=scores.shape[-1]) / len(seen_ids)
                scores = scores - shares * self._frequency_penalty
        if (self._presence_penalty or self._count_penalty) and len(seen_ids) > self._num_prompt:
            counts = torch.bincount(torch.tensor(seen_ids[self._num_prompt :]), minlength=scores.shape[-1])
            scores = scores - counts * self._count_penalty - (counts > 0) * self._presence_penalty
        if self._temperature != 1:
            # The highest becomes 0 first: a tiny temperature would make it infinite.
            scores = (scores - scores.max()) / self._temperature
        for warper in self._warpers:
            scores = warper(None, scores)
        return scores

    def _draw(self, logprobs: torch.Tensor) -> torch.Tensor:
        """Draw by the exponential race, as TGI does: the result depends on the seed alone."""
        noise = torch.empty_like(logprobs).exponential_(1, generator=self._generator)
        return logprobs.exp().div_(noise).argmax()


def choose_all(
    scores: torch.Tensor, choices: Sequence[TokenChoice], seen_ids: Sequence[list[int]]
) -> list[Choice | Exception]:
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
    chosen: list[Choice | Exception] = []
    for row, choice in enumerate(choices):
        if choice.is_plain and math.isfinite(logprobs[row]):
            chosen.append((best[row], logprobs[row]))
            continue
        try:
            chosen.append(choice.choose(scores[row : row + 1], seen_ids[row]))
        except Exception as error:  # of one row's parameters: the others continue
            chosen.append(error)
    return chosen
