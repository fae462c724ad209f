"""The fast engine gives what transformers gives, or says that it cannot."""

from __future__ import annotations

import asyncio
import gc
import json
import math
import platform
import random
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, FunctionType, ModuleType

import pytest
import torch
from tests.serve.server_process import ServerProcess

from processes.errors import UserError
from sample.news.generator import rows
from serve.engine import Generation, Sampling, Token
from serve.engines.ctranslate2 import CTranslate2Engine
from serve.engines.ctranslate2_conversion import PARITY_FILE, digest
from serve.errors import RequestError
from serve.model_folder import ModelFolder, read_model_folder
from serve.settings import MIN_INT8_AGREEMENT_PERCENT

NUM_PROMPTS = 24
# Of an int8 copy: 93.2 % with VNNI (AVX-VNNI 93.8), 83.9 % on x86 without it, whatever the processor is.
LOWEST_INT8_AGREEMENT = 0.8
# An int8 copy is loaded however little it agrees: this processor may have no VNNI.
AS_IT_IS = {"min_int8_agreement_percent": 1}


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def load(model: ModelFolder, cache_dir: Path, quantize: str = "none", **options: int) -> CTranslate2Engine:
    return CTranslate2Engine(model, quantize=quantize, cache_dir=cache_dir, max_batch_size=8, **options)


@pytest.fixture(scope="module")
def engine(model: ModelFolder, cache_dir: Path) -> Iterator[CTranslate2Engine]:
    engine = load(model, cache_dir)
    yield engine
    engine.close()
    assert not engine.is_healthy()


async def collect(generation: Generation) -> list[Token]:
    return [token async for token in generation]


def ids_of(tokens: list[Token]) -> list[int]:
    return [token.id for token in tokens]


def test_staggered_greedy_requests_equal_generate(engine: CTranslate2Engine, model: ModelFolder) -> None:
    from transformers import AutoModelForCausalLM

    rng = random.Random(2)
    prompts = [model.codec.encode(row["document"])[: rng.randint(2, 200)] for row in rows(NUM_PROMPTS, 5)]
    lengths = [rng.choice((1, 5, 30, 60)) for _ in prompts]

    async def one(ids: list[int], num_tokens: int) -> list[Token]:
        await asyncio.sleep(rng.random() / 4)
        generation = engine.submit(ids, Sampling(max_new_tokens=num_tokens))
        generation.whole = rng.random() < 0.5
        return await collect(generation)

    async def run() -> list[list[Token]]:
        return await asyncio.gather(*(one(ids, length) for ids, length in zip(prompts, lengths, strict=True)))

    found = asyncio.run(run())
    reference = AutoModelForCausalLM.from_pretrained(model.path, dtype=torch.float32).eval()
    for ids, length, tokens in zip(prompts, lengths, found, strict=True):
        output = reference.generate(torch.tensor([ids]), do_sample=False, max_new_tokens=length)
        expected = output[0, len(ids) :].tolist()
        assert ids_of(tokens) == expected
        text = "".join(token.text for token in tokens if not token.special)
        assert text == model.codec.decode(expected)
        assert tokens[-1].finish_reason in ("length", "eos_token")
        assert all(token.logprob <= 0 for token in tokens)


def test_a_stop_text_ends_an_answer_and_not_its_batch(engine: CTranslate2Engine, model: ModelFolder) -> None:
    ids = model.codec.encode("최근 우주 산업에서 새로운 시도가 잇따르고 있다.")

    async def run(stop: tuple[str, ...]) -> list[list[Token]]:
        stops = engine.submit(ids, Sampling(max_new_tokens=30, stop=stop))
        goes_on = engine.submit(ids, Sampling(max_new_tokens=30))
        return await asyncio.gather(collect(stops), collect(goes_on))

    whole, same = asyncio.run(run(()))
    assert ids_of(whole) == ids_of(same)
    stop = next(token.text for token in whole[2:] if token.text.strip())
    stopped, same = asyncio.run(run((stop,)))
    assert ids_of(same) == ids_of(whole)
    assert stopped[-1].finish_reason == "stop_sequence"
    assert ids_of(stopped) == ids_of(whole[: len(stopped)])


def test_drawn_answers_differ_and_top_k_is_kept(engine: CTranslate2Engine, model: ModelFolder) -> None:
    ids = model.codec.encode("서울시는")

    async def run(**options) -> list[int]:
        generations = [
            engine.submit(ids, Sampling(max_new_tokens=1, do_sample=True, **options)) for _ in range(60)
        ]
        return [(await collect(generation))[0].id for generation in generations]

    assert len(set(asyncio.run(run(temperature=5.0)))) > 20
    assert len(set(asyncio.run(run(temperature=5.0, top_k=3)))) == 3


def test_what_it_cannot_honour_is_named() -> None:
    assert CTranslate2Engine.unsupported >= {"seed", "repetition_penalty", "frequency_penalty", "typical_p"}
    assert CTranslate2Engine.adapters == ()


def test_a_cancelled_request_ends_and_a_closed_engine_ends_all(endless_dir: Path, cache_dir: Path) -> None:
    model = read_model_folder(endless_dir)
    engine = load(model, cache_dir)
    endless = Sampling(max_new_tokens=1_500)

    async def run() -> None:
        first = engine.submit([0, 5], endless)
        await anext(first)
        assert engine.capacity().num_active == 1
        first.cancel()
        assert len(await collect(engine.submit([0, 6], Sampling(max_new_tokens=4)))) == 4
        others = [engine.submit([0, 5], endless) for _ in range(3)]
        await anext(others[0])
        engine.close()
        ends = await asyncio.gather(*map(collect, others), return_exceptions=True)
        assert {type(end) for end in ends} == {RequestError}

    asyncio.run(asyncio.wait_for(run(), timeout=300))
    assert not engine.is_healthy()


def test_the_librarys_thread_never_holds_the_engine(engine: CTranslate2Engine) -> None:
    """Else the engine's end may come in that thread, which then waits for itself: the process aborts."""
    seen = []

    async def run() -> None:
        generation = engine.submit([0, 5], Sampling(max_new_tokens=2))
        work = generation.put

        def put(token: Token) -> None:
            batch = sys._getframe(1).f_locals["self"]
            seen.extend(id(value) for value in reachable(batch))
            work(token)

        generation.put = put
        await collect(generation)

    asyncio.run(run())
    assert len(seen) > 10
    assert id(engine) not in seen
    assert id(engine._generator) not in seen


def reachable(start: object, depth: int = 3) -> list[object]:
    """Return what an object refers to, up to some steps; modules, classes and functions are the program."""
    found, level = [start], [start]
    for _ in range(depth):
        level = [
            value
            for value in gc.get_referents(*level)
            if not isinstance(value, type | ModuleType | FunctionType | FrameType)
        ]
        found += level
    return found


def test_int8_is_a_variant_that_agrees_nearly_everywhere(model: ModelFolder, cache_dir: Path) -> None:
    engine = load(model, cache_dir, "int8", **AS_IT_IS)

    async def run() -> list[Token]:
        return await collect(engine.submit([0, 5, 6], Sampling(max_new_tokens=5)))

    assert len(asyncio.run(run())) <= 5
    engine.close()
    assert engine.agreement > LOWEST_INT8_AGREEMENT
    sizes = {
        name: (cache_dir / f"{digest(model.path)}-{name}" / "model.bin").stat().st_size
        for name in ("none", "int8")
    }
    assert sizes["int8"] < sizes["none"] * 0.6  # which is stored in bfloat16, as the original


def test_a_model_is_converted_once(model: ModelFolder, engine: CTranslate2Engine, cache_dir: Path) -> None:
    target = cache_dir / f"{digest(model.path)}-none"
    before = {path.name: path.stat().st_mtime_ns for path in target.iterdir()}
    load(model, cache_dir).close()
    assert {path.name: path.stat().st_mtime_ns for path in target.iterdir()} == before
    assert not list(cache_dir.glob(".converting-*"))


@pytest.mark.parametrize("quantize", ["none", "int8"])
def test_a_copy_that_differs_from_the_original_is_refused(
    model: ModelFolder, engine: CTranslate2Engine, cache_dir: Path, tmp_path: Path, quantize: str
) -> None:
    load(model, cache_dir, quantize, **AS_IT_IS).close()
    shutil.copytree(cache_dir, tmp_path / "cache")
    parity = tmp_path / "cache" / f"{digest(model.path)}-{quantize}" / PARITY_FILE
    answers = json.loads(parity.read_text())
    for answer in answers:
        answer["generated"] = [(id_ + 1) % 2048 for id_ in answer["generated"]]
    parity.write_text(json.dumps(answers))
    with pytest.raises(
        UserError, match=rf"chooses .*% of the original's tokens.*\n.*\ndo next .*delete {parity.parent} "
    ):
        load(model, tmp_path / "cache", quantize)


def test_int8_is_served_where_it_agrees_as_much_as_is_demanded_and_refused_where_not(
    model: ModelFolder, cache_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine = load(model, cache_dir, "int8", **AS_IT_IS)
    engine.close()
    percent = math.floor(100 * engine.agreement)
    load(model, cache_dir, "int8", min_int8_agreement_percent=percent).close()
    with pytest.raises(
        UserError, match=rf"chooses {100 * engine.agreement:.1f} % .*\(int8\)\n.*{percent + 1} %"
    ):
        load(model, cache_dir, "int8", min_int8_agreement_percent=percent + 1)
    # and what is demanded when nothing is said
    if percent >= MIN_INT8_AGREEMENT_PERCENT:
        load(model, cache_dir, "int8").close()
    else:
        with pytest.raises(UserError, match=rf"at least {MIN_INT8_AGREEMENT_PERCENT} %; without VNNI"):
            load(model, cache_dir, "int8")


@pytest.mark.skipif(platform.machine() != "x86_64", reason="x86 alone multiplies bytes without VNNI so")
def test_int8_without_vnni_is_refused_unless_a_setting_says_otherwise(
    model: ModelFolder, cache_dir: Path
) -> None:
    """In a process that may use AVX2 at most, as on most laptops: 93.2 % become 83.9 %."""
    variables = {
        "HF_MODEL_ID": str(model.path), "SERVE_CACHE_DIR": str(cache_dir), "SERVE_ENGINE": "ctranslate2",
        "HF_MODEL_QUANTIZE": "int8", "ONEDNN_MAX_CPU_ISA": "AVX2", "CT2_USE_MKL": "0",
    }  # fmt: skip
    with ServerProcess(**variables) as server:
        status, output = server.wait()
    assert status == 2
    assert re.search(r"found     a copy that chooses 8\d\.\d % of the original's tokens \(int8\)\n", output)
    assert "expected  at least 90 %; without VNNI" in output
    with ServerProcess(**variables, SERVE_MIN_INT8_AGREEMENT_PERCENT="50") as server:
        server.ready()
        server.process.terminate()
        status, output = server.wait()
    assert status == 0
    assert re.search(r"WARNING .*: chooses 8\d\.\d % .*, fewer than 90 %: served because", output)


def test_other_weights_are_converted_anew(model: ModelFolder, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(model.path, tmp_path / "model"))
    assert digest(folder) == digest(model.path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"rms_norm_eps": 1e-5}))
    assert digest(folder) != digest(model.path)


def test_a_model_that_cannot_be_converted_leaves_nothing(model: ModelFolder, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(model.path, tmp_path / "model"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps(config | {"model_type": "olmo", "architectures": ["OlmoForCausalLM"]})
    )
    with pytest.raises(UserError, match="CTranslate2 cannot convert"):
        load(read_model_folder(folder), tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_cache_that_cannot_be_written_is_named(model: ModelFolder, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="SERVE_CACHE_DIR"):
        load(model, tmp_path / "file" / "cache")
