"""The engine generates what transformers' own generate() does, for many at once, and survives failures."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch

from sample.news.generator import rows
from serve.engine import Capacity, Generation, Sampling, Token
from serve.engines.token_choice import TokenChoice
from serve.engines.transformers_engine import MAX_ACTIVE, TransformersEngine
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


async def collect(generation: Generation) -> list[Token]:
    return [token async for token in generation]


def generate_all(
    engine: TransformersEngine, prompts: Sequence[Sequence[int]], **sampling
) -> list[list[Token]]:
    async def run() -> list[list[Token]]:
        return await asyncio.gather(*(collect(engine.submit(ids, Sampling(**sampling))) for ids in prompts))

    return asyncio.run(run())


def reference_ids(reference, ids: list[int], **options) -> list[int]:
    output = reference.generate(torch.tensor([ids]), do_sample=False, **options)
    return output[0, len(ids) :].tolist()


def test_greedy_ids_are_those_of_generate_while_several_run_at_once(
    engine: TransformersEngine, reference, codec: TextCodec
) -> None:
    prompts = [codec.encode(prompt) for prompt in PROMPTS]
    assert len(prompts) > MAX_ACTIVE
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


def test_a_seed_repeats_a_drawn_text_whatever_else_runs(engine: TransformersEngine, codec: TextCodec) -> None:
    options = {"max_new_tokens": 20, "do_sample": True, "temperature": 1.5}
    ids = codec.encode(PROMPTS[1])
    alone = generate_all(engine, [ids], seed=7, **options)[0]
    beside = generate_all(engine, [codec.encode(PROMPTS[0]), ids], seed=7, **options)[1]
    other = generate_all(engine, [ids], seed=8, **options)[0]
    assert alone == beside
    assert alone != other


def test_a_generation_that_fails_does_not_end_the_others(
    engine: TransformersEngine, codec: TextCodec
) -> None:
    async def run() -> tuple[list[Token], BaseException]:
        good = asyncio.ensure_future(
            collect(engine.submit(codec.encode("안녕"), Sampling(max_new_tokens=30)))
        )
        bad = asyncio.ensure_future(collect(engine.submit([10**6], Sampling(max_new_tokens=30))))
        return tuple(await asyncio.gather(good, bad, return_exceptions=True))

    tokens, error = asyncio.run(run())
    assert tokens[-1].finish_reason == "length"
    assert isinstance(error, RequestError)
    assert error.status == 424
    assert engine.is_healthy()


def test_a_cancelled_generation_is_dropped_at_work_and_in_the_queue(endless_dir: Path) -> None:
    model = read_model_folder(endless_dir)
    engine = TransformersEngine(model.path, model.codec)
    ids, endless = model.codec.encode("안녕"), Sampling(max_new_tokens=10**6)

    async def run() -> None:
        at_work = [engine.submit(ids, endless) for _ in range(MAX_ACTIVE)]
        for generation in at_work:
            await anext(generation)
        queued = engine.submit(ids, endless)
        last = engine.submit(ids, Sampling(max_new_tokens=3))
        assert engine.capacity() == Capacity(num_active=MAX_ACTIVE, num_waiting=2, max_active=MAX_ACTIVE)
        for generation in (*at_work, queued):
            generation.cancel()
        assert len(await collect(last)) == 3
        assert queued.started_s is None

    asyncio.run(asyncio.wait_for(run(), timeout=60))
    engine.close()
    assert engine.capacity().num_active == engine.capacity().num_waiting == 0


def test_closing_ends_what_is_under_way_with_an_error(endless_dir: Path) -> None:
    model = read_model_folder(endless_dir)
    engine = TransformersEngine(model.path, model.codec)

    async def run() -> list[str]:
        endless = Sampling(max_new_tokens=10**6)
        generations = [engine.submit([0, 5], endless) for _ in range(MAX_ACTIVE + 1)]
        await anext(generations[0])
        engine.close()
        ends = await asyncio.gather(*map(collect, generations), return_exceptions=True)
        return [end.error_type for end in ends]

    found = asyncio.run(asyncio.wait_for(run(), timeout=60))
    assert found == ["incomplete_generation"] * (MAX_ACTIVE + 1)
    assert not engine.is_healthy()


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
