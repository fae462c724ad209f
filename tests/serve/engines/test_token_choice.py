"""Drawn tokens have the distribution that the parameters ask for; rows of a batch are chosen as if alone."""

from __future__ import annotations

import math

import pytest
import torch

from serve.engine import Sampling
from serve.engines.token_choice import TokenChoice, choose_all
from serve.errors import RequestError

LOGITS = torch.tensor([[2.0, 1.0, 0.5, 0.0, -1.0]])


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        ({}, LOGITS[0].softmax(-1).tolist()),
        ({"temperature": 0.5}, (LOGITS[0] * 2).softmax(-1).tolist()),
        ({"top_k": 2}, [math.e / (math.e + 1), 1 / (math.e + 1), 0, 0, 0]),
        # 0.5621, 0.2068, 0.1254 ...: two tokens reach 0.7.
        ({"top_p": 0.7}, [math.e / (math.e + 1), 1 / (math.e + 1), 0, 0, 0]),
    ],
)
def test_drawn_tokens_have_the_distribution_asked_for(sampling: dict, expected: list[float]) -> None:
    counts = [0] * 5
    for seed in range(4000):
        id_, logprob = TokenChoice(Sampling(max_new_tokens=1, do_sample=True, seed=seed, **sampling)).choose(
            LOGITS.clone(), [0]
        )
        counts[id_] += 1
        assert logprob == pytest.approx(math.log(expected[id_]), abs=1e-5)
    # Five standard deviations at 4,000 draws are less than 0.04.
    assert [count / 4000 for count in counts] == pytest.approx(expected, abs=0.04)


def test_a_tiny_temperature_takes_the_most_likely_token() -> None:
    choice = TokenChoice(Sampling(max_new_tokens=1, do_sample=True, temperature=1e-37))
    assert choice.choose(LOGITS * 100, [0]) == (0, 0.0)


def test_the_frequency_penalty_takes_the_share_of_an_id_among_those_seen() -> None:
    choice = TokenChoice(Sampling(max_new_tokens=1, frequency_penalty=2.0))
    id_, logprob = choice.choose(LOGITS.clone(), [0, 0, 0, 1])
    penalised = LOGITS[0] - torch.tensor([0.75, 0.25, 0, 0, 0]) * 2
    assert (id_, logprob) == (0, pytest.approx(penalised.log_softmax(-1)[0].item()))
    assert TokenChoice(Sampling(max_new_tokens=1, frequency_penalty=2.0)).choose(
        LOGITS.clone(), [0, 0, 0, 0]
    )[0] == int((LOGITS[0] - torch.tensor([2.0, 0, 0, 0, 0])).argmax())


def test_scores_that_are_not_numbers_fail_the_generation_as_in_tgi() -> None:
    with pytest.raises(RequestError, match="Request failed during generation") as caught:
        TokenChoice(Sampling(max_new_tokens=1)).choose(torch.full((1, 5), math.nan), [0])
    assert (caught.value.status, caught.value.error_type) == (424, "generation")


def test_a_batch_chooses_for_each_row_what_it_would_alone() -> None:
    scores = torch.randn(6, 50, generator=torch.Generator().manual_seed(3))
    options = [
        {},
        {"do_sample": True, "seed": 3},
        {"repetition_penalty": 1.3},
        {"do_sample": True, "seed": 4, "temperature": 0.7, "top_k": 5},
        {"frequency_penalty": 0.5},
        {},
    ]

    def choices() -> list[TokenChoice]:
        return [TokenChoice(Sampling(max_new_tokens=1, **given)) for given in options]

    seen = [[row, row + 1] for row in range(6)]
    alone = [choice.choose(scores[row : row + 1].clone(), seen[row]) for row, choice in enumerate(choices())]
    together = choose_all(scores.clone(), choices(), seen)
    assert [id_ for id_, _ in together] == [id_ for id_, _ in alone]
    assert [logprob for _, logprob in together] == pytest.approx([logprob for _, logprob in alone], abs=1e-5)


def test_a_row_without_numbers_does_not_spoil_the_others() -> None:
    scores = torch.tensor([[1.0, 2.0], [math.nan, math.nan], [3.0, 0.0]])
    chosen = choose_all(scores, [TokenChoice(Sampling(max_new_tokens=1)) for _ in range(3)], [[0]] * 3)
    assert (chosen[0][0], chosen[2][0]) == (1, 0)
    assert isinstance(chosen[1], RequestError)


def chosen(seen_ids: list[int], *, num_prompt: int = 1, end_ids: tuple[int, ...] = (), **sampling) -> tuple:
    options = Sampling(max_new_tokens=9, **sampling)
    choice = TokenChoice(options, num_prompt=num_prompt, end_ids=frozenset(end_ids))
    assert not choice.is_plain
    return choice.choose(LOGITS.clone(), seen_ids)


def test_a_bias_is_added_to_the_scores_of_its_ids() -> None:
    id_, logprob = chosen([0], logit_bias=((4, 4.0), (0, -0.5)))
    biased = LOGITS[0] + torch.tensor([-0.5, 0, 0, 0, 4.0])
    assert (id_, logprob) == (4, pytest.approx(biased.log_softmax(-1)[4].item()))


def test_no_id_that_ends_comes_before_the_least_number_of_tokens() -> None:
    for seen, id_ in (([7], 2), ([7, 3], 2), ([7, 3, 3], 0)):
        assert chosen(seen, end_ids=(0,), stop_ids=frozenset({1}), min_new_tokens=2)[0] == id_


def test_vllms_penalties_count_what_was_generated_and_leave_out_the_prompt() -> None:
    seen = [0, 0, 1, 1, 0]
    penalised = LOGITS[0] - torch.tensor([1 * 0.75 + 0.5, 2 * 0.75 + 0.5, 0, 0, 0])
    id_, logprob = chosen(seen, num_prompt=2, count_penalty=0.75, presence_penalty=0.5)
    assert (id_, logprob) == (0, pytest.approx(penalised.log_softmax(-1)[0].item()))
    assert chosen(seen, num_prompt=5, count_penalty=0.75)[0] == 0, "nothing was generated yet"


def test_min_p_keeps_what_is_likely_enough_beside_the_most_likely() -> None:
    # Shares of the most likely: 1, 0.368, 0.223 ...
    ids = {chosen([0], do_sample=True, seed=seed, min_p=0.3)[0] for seed in range(200)}
    assert ids == {0, 1}


def test_the_most_likely_tokens_come_with_the_chosen_one() -> None:
    id_, logprob, top = chosen([0], num_top=3)
    expected = LOGITS[0].log_softmax(-1)[:3].tolist()
    assert (id_, logprob) == (0, pytest.approx(expected[0]))
    assert [item[0] for item in top] == [0, 1, 2]
    assert [item[1] for item in top] == pytest.approx(expected)
    *_, top = chosen([0], num_top=9, do_sample=True, top_k=2)
    assert [value is None for _, value in top] == [False, False, True, True, True]


def test_raw_log_probabilities_are_those_before_penalties_temperature_and_warpers() -> None:
    changed = {"do_sample": True, "temperature": 0.5, "top_k": 1, "logit_bias": ((0, 9.0),)}
    expected = LOGITS[0].log_softmax(-1).tolist()
    id_, logprob, top = chosen([0], raw_logprobs=True, num_top=5, **changed)
    assert (id_, logprob) == (0, pytest.approx(expected[0]))
    assert [value for _, value in top] == pytest.approx(expected)
    assert chosen([0], **changed) == (0, 0.0)
