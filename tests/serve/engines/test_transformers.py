"""The engine generates what transformers' own generate() does, for many at once, and survives failures."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch

from sample.news.generator import rows
from serve.engine import Generation, Sampling, Token
from serve.engines.transformers import PREFILL_CHUNK_TOKENS, TransformersEngine
from serve.errors import RequestError
from serve.model_folder import ModelFolder, read_model_folder
from serve.text import TextCodec
from workshop.prompt import chat_messages, render

PROMPTS = [
    "안녕하세요",
    "서울시는 20일",
    *(render(chat_messages(row["document"]), add_generation_prompt=True) for row in rows(6, 3)),
]


@pytest.fixture(scope="module")
def engine(model: ModelFolder) -> Iterator[TransformersEngine]:
    engine = TransformersEngine(model.path, model.codec)
    yield engine
    engine.close()
    assert not engine.is_healthy()


@pytest.fixture(scope="module")
def reference(model: ModelFolder):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(model.path, dtype=torch.float32).eval()


def test_a_hundred_staggered_requests_of_mixed_lengths_are_what_each_is_alone(
    engine: TransformersEngine, reference, codec: TextCodec
) -> None:
    rng = random.Random(5)
    articles = [row["document"] for row in rows(100, 8)]
    # Some prompts are longer than what is read between two steps, some are a few tokens.
    prompts = [codec.encode(article * rng.choice((1, 1, 3)))[: rng.randint(2, 500)] for article in articles]
    assert max(map(len, prompts)) > PREFILL_CHUNK_TOKENS
    lengths = [rng.choice((1, 3, 12, 40, 70)) for _ in prompts]

    async def one(ids: list[int], num_tokens: int) -> list[int]:
        await asyncio.sleep(rng.random())
        generation = engine.submit(ids, Sampling(max_new_tokens=num_tokens))
        generation.whole = rng.random() < 0.5
        return [token.id for token in await collect(generation)]

    async def run() -> list[list[int]]:
        return await asyncio.gather(*itertools.starmap(one, zip(prompts, lengths, strict=True)))

    found = asyncio.run(run())
    expected = [
        reference_ids(reference, ids, max_new_tokens=length)
        for ids, length in zip(prompts, lengths, strict=True)
    ]
    assert found == expected


async def collect(generation: Generation) -> list[Token]:
    return [token async for token in generation]


def generate_all(
    engine: TransformersEngine, prompts: Sequence[Sequence[int]], **sampling
) -> list[list[Token]]:
    async def run() -> list[list[Token]]:
        return await asyncio.gather(*(collect(engine.submit(ids, Sampling(**sampling))) for ids in prompts))

    return asyncio.run(run())


def ids_of(tokens: Sequence[Token]) -> list[int]:
    return [token.id for token in tokens]


def reference_ids(reference, ids: list[int], **options) -> list[int]:
    output = reference.generate(torch.tensor([ids]), do_sample=False, **options)
    return output[0, len(ids) :].tolist()


def test_greedy_ids_are_those_of_generate_while_several_run_at_once(
    engine: TransformersEngine, reference, codec: TextCodec
) -> None:
    prompts = [codec.encode(prompt) for prompt in PROMPTS]
    found = generate_all(engine, prompts, max_new_tokens=70)
    for ids, tokens in zip(prompts, found, strict=True):
        expected = reference_ids(reference, ids, max_new_tokens=70)
        assert [token.id for token in tokens] == expected
        text = "".join(token.text for token in tokens if not token.special)
        assert text == codec.decode(expected)


def test_logprobs_are_those_of_one_forward_pass_over_the_whole(
    engine: TransformersEngine, reference, codec: TextCodec
) -> None:
    ids = codec.encode(PROMPTS[2])
    (tokens,) = generate_all(engine, [ids], max_new_tokens=30)
    whole = ids + [token.id for token in tokens]
    with torch.inference_mode():
        logprobs = reference(torch.tensor([whole])).logits[0].log_softmax(-1)
    expected = [logprobs[len(ids) - 1 + place, token.id].item() for place, token in enumerate(tokens)]
    assert [token.logprob for token in tokens] == pytest.approx(expected, abs=1e-4)


def test_the_repetition_penalty_is_that_of_generate(
    engine: TransformersEngine, reference, codec: TextCodec
) -> None:
    ids = codec.encode(PROMPTS[0])
    (tokens,) = generate_all(engine, [ids], max_new_tokens=40, repetition_penalty=1.5)
    expected = reference_ids(reference, ids, max_new_tokens=40, repetition_penalty=1.5)
    assert [token.id for token in tokens] == expected
    assert expected != reference_ids(reference, ids, max_new_tokens=40)


def test_a_least_number_of_tokens_a_bias_and_an_ignored_end_are_those_of_generate(
    engine: TransformersEngine, reference, codec: TextCodec
) -> None:
    ids = codec.encode(PROMPTS[2])
    plain = reference_ids(reference, ids, max_new_tokens=300)
    (end,) = codec.eos_ids
    assert plain[-1] == end, "the base model ends its texts"
    least = len(plain) + 7
    length = {"max_new_tokens": least + 40}
    bias = {(plain[0],): -30.0, (plain[3],): 2.5}
    for options, sampling in (
        ({"min_new_tokens": least}, {"min_new_tokens": least}),
        ({"eos_token_id": []}, {"ignore_eos": True}),
        ({"sequence_bias": bias}, {"logit_bias": tuple((id_, value) for (id_,), value in bias.items())}),
        ({"eos_token_id": [end, plain[3]]}, {"stop_ids": frozenset({plain[3]})}),
    ):
        (tokens,) = generate_all(engine, [ids], **length, **sampling)
        assert ids_of(tokens) == reference_ids(reference, ids, **length, **options) != plain


def test_a_seed_repeats_a_drawn_text_whatever_else_runs(engine: TransformersEngine, codec: TextCodec) -> None:
    options = {"max_new_tokens": 20, "do_sample": True, "temperature": 1.5}
    ids = codec.encode(PROMPTS[1])
    alone = generate_all(engine, [ids], seed=7, **options)[0]
    beside = generate_all(engine, [codec.encode(PROMPTS[0]), ids], seed=7, **options)[1]
    other = generate_all(engine, [ids], seed=8, **options)[0]
    assert ids_of(alone) == ids_of(beside)
    assert ids_of(alone) != ids_of(other)


def test_a_generation_that_fails_does_not_end_the_others(
    engine: TransformersEngine, codec: TextCodec
) -> None:
    async def run() -> tuple:
        good = asyncio.ensure_future(
            collect(engine.submit(codec.encode("안녕"), Sampling(max_new_tokens=30)))
        )
        bad = [engine.submit([10**6], Sampling(max_new_tokens=30)) for _ in range(2)]
        bad[0].whole = True
        return tuple(await asyncio.gather(good, *map(collect, bad), return_exceptions=True))

    tokens, *errors = asyncio.run(asyncio.wait_for(run(), timeout=300))
    assert tokens[-1].finish_reason == "length"
    assert [error.status for error in errors] == [424, 424]
    assert engine.is_healthy()


NUM_PLACES = 3


@pytest.fixture
def small_engine(endless_dir: Path) -> Iterator[TransformersEngine]:
    """Three places, and answers as long as was asked for."""
    model = read_model_folder(endless_dir)
    engine = TransformersEngine(model.path, model.codec, max_batch_size=NUM_PLACES)
    yield engine
    engine.close()


def test_a_cancelled_generation_is_dropped_at_work_and_in_the_queue(small_engine: TransformersEngine) -> None:
    ids, endless = [0, 5, 6], Sampling(max_new_tokens=10**6)

    async def run() -> None:
        at_work = [small_engine.submit(ids, endless) for _ in range(NUM_PLACES)]
        for generation in at_work:
            await anext(generation)
        queued = small_engine.submit(ids, endless)
        last = small_engine.submit(ids, Sampling(max_new_tokens=3))
        capacity = small_engine.capacity()
        assert (capacity.num_active, capacity.num_waiting, capacity.max_active) == (NUM_PLACES, 2, NUM_PLACES)
        assert capacity.num_active_tokens == NUM_PLACES * (len(ids) + 10**6)
        for generation in (*at_work, queued):
            generation.cancel()
        assert len(await collect(last)) == 3
        assert queued.started_s is None

    asyncio.run(asyncio.wait_for(run(), timeout=300))
    small_engine.close()
    assert small_engine.capacity().num_active == small_engine.capacity().num_waiting == 0


def test_a_place_that_gets_free_is_taken_while_the_others_go_on(small_engine: TransformersEngine) -> None:
    async def run() -> None:
        long = [small_engine.submit([0, 5], Sampling(max_new_tokens=10**6)) for _ in range(NUM_PLACES - 1)]
        for generation in long:
            await anext(generation)
        for num_tokens in (1, 2, 9, 30):
            assert (
                len(await collect(small_engine.submit([0, 7], Sampling(max_new_tokens=num_tokens))))
                == num_tokens
            )
        for generation in long:
            await anext(generation)
            generation.cancel()

    asyncio.run(asyncio.wait_for(run(), timeout=300))


def test_a_row_waits_until_memory_has_room_for_it(
    small_engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(small_engine, "_max_cached_tokens", 300)

    async def run() -> None:
        first = small_engine.submit([0, 5], Sampling(max_new_tokens=200))
        await anext(first)
        second = small_engine.submit([0, 6], Sampling(max_new_tokens=5))
        for _ in range(50):
            await anext(first)
        assert second.started_s is None
        first.cancel()
        assert len(await collect(second)) == 5

    asyncio.run(asyncio.wait_for(run(), timeout=300))


def test_closing_ends_what_is_under_way_with_an_error(small_engine: TransformersEngine) -> None:
    async def run() -> list[str]:
        endless = Sampling(max_new_tokens=10**6)
        generations = [small_engine.submit([0, 5], endless) for _ in range(NUM_PLACES + 2)]
        await anext(generations[0])
        small_engine.close()
        ends = await asyncio.gather(*map(collect, generations), return_exceptions=True)
        return [end.error_type for end in ends]

    found = asyncio.run(asyncio.wait_for(run(), timeout=300))
    assert found == ["incomplete_generation"] * (NUM_PLACES + 2)
    assert not small_engine.is_healthy()


def test_a_step_that_fails_ends_its_rows_and_not_the_engine(
    small_engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*_: object) -> None:
        raise RuntimeError("not enough memory: you tried to allocate 9 bytes")

    async def run() -> None:
        generations = [small_engine.submit([0, 5], Sampling(max_new_tokens=10**6)) for _ in range(2)]
        for generation in generations:
            await anext(generation)
        with monkeypatch.context() as patch:
            patch.setattr(small_engine._decoder, "decode", no_memory)
            ends = await asyncio.gather(*map(collect, generations), return_exceptions=True)
        assert [end.status for end in ends] == [424, 424]
        assert len(await collect(small_engine.submit([0, 5], Sampling(max_new_tokens=4)))) == 4

    asyncio.run(asyncio.wait_for(run(), timeout=300))


def test_parameters_that_a_library_refuses_fail_one_generation(
    small_engine: TransformersEngine,
) -> None:
    async def run() -> None:
        refused = small_engine.submit([0, 5], Sampling(max_new_tokens=3, do_sample=True, top_k=-3))
        good = small_engine.submit([0, 5], Sampling(max_new_tokens=3))
        with pytest.raises(RequestError, match="generation"):
            await collect(refused)
        assert len(await collect(good)) == 3

    asyncio.run(asyncio.wait_for(run(), timeout=300))
    assert small_engine.is_healthy()


def test_an_engine_that_ends_unforeseen_leaves_nobody_waiting(
    small_engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> list[str]:
        at_work = small_engine.submit([0, 5], Sampling(max_new_tokens=10**6))
        await anext(at_work)
        monkeypatch.setattr(small_engine, "_drop_cancelled", lambda: 1 / 0)
        ends = await asyncio.gather(collect(at_work), return_exceptions=True)
        return [end.error_type for end in ends]

    assert asyncio.run(asyncio.wait_for(run(), timeout=300)) == ["incomplete_generation"]
    small_engine._thread.join(timeout=300)
    assert not small_engine.is_healthy()
