"""LoRA adapters that come and go while the engine generates: no other answer changes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.serve.server_process import BASE

from processes.errors import UserError
from serve.engine import Sampling
from serve.engines.transformers import TransformersEngine
from serve.errors import RequestError
from serve.text import TextCodec

PROMPT = [5, 6, 7, 100, 101]
NUM_TOKENS = 24


@pytest.fixture
def engine(codec: TextCodec) -> Any:
    made = TransformersEngine(BASE, TextCodec(codec._tokenizer, bos_id=0, eos_ids=frozenset()))
    yield made
    made.close()


async def generate(engine: Any, adapter: str | None = None, num: int = NUM_TOKENS) -> list[int]:
    return [token.id async for token in engine.submit(PROMPT, Sampling(max_new_tokens=num), adapter)]


def answer(engine: Any, adapter: str | None = None) -> list[int]:
    return asyncio.run(generate(engine, adapter))


def test_an_adapter_loaded_while_it_serves_is_the_one_loaded_at_the_start(
    engine: Any, adapter_dirs: dict[str, Path], codec: TextCodec
) -> None:
    endless = TextCodec(codec._tokenizer, bos_id=0, eos_ids=frozenset())
    from_start = TransformersEngine(BASE, endless, adapters=adapter_dirs)
    expected = {name: answer(from_start, name) for name in (None, *adapter_dirs)}
    from_start.close()
    assert len({tuple(ids) for ids in expected.values()}) == len(expected)
    assert answer(engine) == expected[None]
    for name, folder in adapter_dirs.items():
        engine.load_adapter(name, folder)
    assert engine.adapters == tuple(adapter_dirs)
    assert {name: answer(engine, name) for name in expected} == expected
    for name in adapter_dirs:
        engine.unload_adapter(name)
    assert engine.adapters == ()
    assert answer(engine) == expected[None]
    assert engine._decoder._lean is not None, "without adapters a step is as fast as before"


def test_generations_under_way_are_not_touched_by_a_load_or_an_unload(
    engine: Any, adapter_dirs: dict[str, Path]
) -> None:
    num = 400

    async def run(adapter: str | None, change: Any) -> tuple[list[int], list[int]]:
        alone = await generate(engine, adapter, num)
        generation = engine.submit(PROMPT, Sampling(max_new_tokens=num), adapter)
        ids = [(await anext(generation)).id]
        await asyncio.to_thread(change)
        assert len(ids) < num
        return alone, ids + [token.id async for token in generation]

    alone, meanwhile = asyncio.run(run(None, lambda: engine.load_adapter("news", adapter_dirs["news"])))
    assert meanwhile == alone
    alone, meanwhile = asyncio.run(run("news", lambda: engine.load_adapter("news", adapter_dirs["sports"])))
    assert meanwhile == alone
    alone, meanwhile = asyncio.run(run("news", lambda: engine.unload_adapter("news")))
    assert meanwhile == alone


def test_an_adapter_loaded_again_under_its_name_is_the_new_one(
    engine: Any, adapter_dirs: dict[str, Path]
) -> None:
    engine.load_adapter("it", adapter_dirs["news"])
    before = answer(engine, "it")
    engine.load_adapter("it", adapter_dirs["sports"])
    after = answer(engine, "it")
    engine.load_adapter("sports", adapter_dirs["sports"])
    assert after == answer(engine, "sports") != before


@pytest.mark.parametrize("has_another", [False, True], ids=["first", "second"])
def test_an_adapter_of_another_model_is_refused_and_leaves_everything_as_it_was(
    engine: Any, adapter_dirs: dict[str, Path], tmp_path: Path, has_another: bool
) -> None:
    if has_another:
        engine.load_adapter("news", adapter_dirs["news"])
    before = {name: answer(engine, name) for name in (None, *engine.adapters)}
    config = json.loads((adapter_dirs["news"] / "adapter_config.json").read_text())
    (tmp_path / "adapter_config.json").write_text(json.dumps(config | {"r": 8}))
    weights = (adapter_dirs["news"] / "adapter_model.safetensors").read_bytes()
    (tmp_path / "adapter_model.safetensors").write_bytes(weights)
    with pytest.raises(UserError, match="cannot be loaded"):
        engine.load_adapter("wrong", tmp_path)
    assert "wrong" not in engine.adapters
    assert {name: answer(engine, name) for name in before} == before
    engine.load_adapter("news", adapter_dirs["news"])
    assert answer(engine, "news") != before[None]


def test_a_name_that_is_not_loaded_cannot_be_unloaded_and_an_engine_that_ended_says_so(engine: Any) -> None:
    with pytest.raises(KeyError):
        engine.unload_adapter("none")
    engine.close()
    with pytest.raises(RequestError, match="the engine has ended"):
        engine.unload_adapter("none")
