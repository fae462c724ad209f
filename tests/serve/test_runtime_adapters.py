"""LoRA adapters that come and go while the engine generates: nobody else's answer changes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import requests
import torch
from peft import LoraConfig, get_peft_model
from tests.serve.requests_to_server import post
from tests.serve.server_process import BASE, ServerProcess
from transformers import AutoModelForCausalLM

from processes.errors import UserError
from serve.engine import Sampling
from serve.engines.transformers import TransformersEngine
from serve.errors import RequestError
from serve.text import TextCodec

PROMPT = [5, 6, 7, 100, 101]
NUM_TOKENS = 24


@pytest.fixture(scope="module")
def adapter_dirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two random adapters for the shipped model."""
    folder = tmp_path_factory.mktemp("adapters")
    for seed, name in enumerate(("news", "sports")):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32)
        config = LoraConfig(r=4, lora_alpha=32, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
        get_peft_model(model, config).save_pretrained(folder / name)
    return {name: folder / name for name in ("news", "sports")}


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


HEADER = "X-Amzn-SageMaker-Adapter-Identifier"
BODIES = {
    "lmi": {"inputs": "서울", "parameters": {"max_new_tokens": 24}},
    "vllm": {"prompt": "서울", "max_tokens": 24, "temperature": 0},
}
VARIABLES = {"lmi": "OPTION_ENABLE_LORA", "vllm": "VLLM_ALLOW_RUNTIME_LORA_UPDATING"}


@pytest.mark.parametrize("dialect", BODIES)
def test_a_container_is_told_to_load_an_adapter_and_whom_a_request_is_for(
    dialect: str, adapter_dirs: dict[str, Path]
) -> None:
    with ServerProcess(SERVE_DIALECT=dialect, **{VARIABLES[dialect]: "true"}) as process:
        process.ready()

        def text(**headers: str) -> str:
            answered = post(process, "/invocations", BODIES[dialect], headers=headers).json()
            return answered["generated_text"] if dialect == "lmi" else answered["choices"][0]["text"]

        base = text()
        loaded = post(process, "/adapters", {"name": "a-1", "src": str(adapter_dirs["news"])})
        assert (loaded.status_code, loaded.json()) == (200, {"status": "Adapter a-1 registered"})
        assert text(**{HEADER: "a-1"}) != base == text()
        missing = post(process, "/invocations", BODIES[dialect], headers={HEADER: "a-2"})
        assert missing.status_code == (424 if dialect == "lmi" else 404)
        nowhere = post(process, "/adapters", {"name": "a-2", "src": str(adapter_dirs["news"].parent)})
        assert nowhere.status_code == (424 if dialect == "lmi" else 400)
        assert "holds no adapter_model.safetensors" in nowhere.text
        process.wait_for("Registered adapter a-1 from")
        url = f"{process.url}/adapters/a-1"
        assert requests.delete(url, timeout=300).json() == {"status": "Adapter a-1 unregistered"}
        assert requests.delete(url, timeout=300).status_code == 404


@pytest.mark.parametrize("dialect", BODIES)
def test_a_container_that_was_not_asked_to_refuses_adapters_with_the_variable_it_wants(
    dialect: str, adapter_dirs: dict[str, Path]
) -> None:
    with ServerProcess(SERVE_DIALECT=dialect) as process:
        process.ready()
        refused = post(process, "/adapters", {"name": "a", "src": str(adapter_dirs["news"])})
    assert refused.status_code == (424 if dialect == "lmi" else 400)
    assert VARIABLES[dialect] in refused.text
