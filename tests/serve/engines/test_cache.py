"""A prompt that begins as an earlier one did is read from where they part, and is what it would be alone."""

from __future__ import annotations

import asyncio

import pytest
import torch
from tests.serve.server_process import BASE

from serve.engine import Sampling
from serve.engines import transformers as transformers_engine
from serve.engines.cache import MIN_TOKENS, NUM_PROMPTS, PrefixCache, common_length
from serve.engines.decoder import Decoder
from serve.engines.transformers import TransformersEngine
from serve.text import TextCodec

FIRST = list(range(10, 60))
SECOND = [*FIRST[:30], *range(500, 520)]


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return Decoder(BASE, dtype="float32", adapters={})


def read(decoder: Decoder, prefixes: PrefixCache, ids: list[int]) -> tuple[torch.Tensor, int]:
    with torch.inference_mode():
        cache, num_known = prefixes.begin(ids, None)
        scores = decoder.prefill(cache, ids[num_known:], None)
    assert cache.get_seq_length() == len(ids)
    prefixes.keep(ids, None, cache)
    return scores, num_known


def test_the_common_beginning_is_read_once_and_the_scores_are_the_same(decoder: Decoder) -> None:
    prefixes = PrefixCache(max_tokens=100)
    assert read(decoder, prefixes, FIRST)[1] == 0
    scores, num_known = read(decoder, prefixes, SECOND)
    assert num_known == 30
    assert torch.allclose(scores, read(decoder, PrefixCache(100), SECOND)[0], atol=1e-4)
    again, num_known = read(decoder, prefixes, FIRST)
    assert num_known == len(FIRST) - 1, "one token has to be read, for its scores"
    assert torch.allclose(again, read(decoder, PrefixCache(100), FIRST)[0], atol=1e-4)


def test_a_short_beginning_another_adapter_and_a_long_prompt_are_not_taken(decoder: Decoder) -> None:
    prefixes = PrefixCache(max_tokens=len(FIRST))
    read(decoder, prefixes, FIRST)
    assert prefixes.begin([*FIRST[: MIN_TOKENS - 1], 999], None)[1] == 0
    assert prefixes.begin([*FIRST[:MIN_TOKENS], 999], None)[1] == MIN_TOKENS
    assert prefixes.begin(SECOND, "news")[1] == 0
    small = PrefixCache(max_tokens=len(FIRST) - 1)
    read(decoder, small, FIRST)
    assert small.begin(SECOND, None)[1] == 0


def test_the_oldest_prompt_is_given_up(decoder: Decoder) -> None:
    prefixes = PrefixCache(max_tokens=100)
    read(decoder, prefixes, FIRST)
    for number in range(NUM_PROMPTS):
        read(decoder, prefixes, [1_000 + number, *range(40)])
    assert prefixes.begin(FIRST, None)[1] == 0


def test_the_engine_reads_only_what_is_new(codec: TextCodec, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = TransformersEngine(BASE, codec)
    lengths: list[int] = []
    prefill = engine._decoder.prefill

    def counted(cache, ids, adapter):
        lengths.append(len(ids))
        return prefill(cache, ids, adapter)

    monkeypatch.setattr(engine._decoder, "prefill", counted)
    monkeypatch.setattr(transformers_engine, "PREFILL_CHUNK_TOKENS", 32)

    async def run() -> list[list[int]]:
        answers = []
        for ids in (FIRST, SECOND, FIRST):
            generation = engine.submit(ids, Sampling(max_new_tokens=12))
            answers.append([token.id async for token in generation])
        return answers

    first, _, again = asyncio.run(run())
    engine.close()
    assert lengths == [32, 18, 20, 1]
    assert first == again


def test_common_lengths() -> None:
    assert common_length([], [1]) == 0
    assert common_length([1, 2, 3], [1, 2]) == 2
    assert common_length([1, 2, 3], [1, 5, 3]) == 1
