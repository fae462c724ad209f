"""The engines through the same server, beside a loop of generate(): tokens per second and first tokens.

One thread a process. Printed, never asserted: the ratios of one run count, since machines and loads differ.
pytest -s tests/benchmarks/bench_serve.py
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.serve.server_process import BASE, ServerProcess

from sample.news.generator import rows
from workshop.prompt import chat_messages, render

NUM_NEW_TOKENS = 128
NUM_STREAMS = 8
LONG_TOKENS = 900
ENGINES = {
    "transformers": {},
    "ctranslate2": {"SERVE_ENGINE": "ctranslate2"},
    "ctranslate2 int8": {
        "SERVE_ENGINE": "ctranslate2",
        "HF_MODEL_QUANTIZE": "int8",
        "SERVE_MIN_INT8_AGREEMENT_PERCENT": "50",  # without VNNI fewer than 90 % are measured too
    },
}
AGREEMENT = re.compile(r"chooses ([\d.]+ %) of the original's tokens")
MODELS = {"shipped": "the shipped model", "random": "a random model of 122 million parameters"}
GENERATE_LOOP = """
import json, sys, time, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
torch.set_num_threads(1)
folder, num_new, prompts = sys.argv[1], int(sys.argv[2]), json.load(sys.stdin)
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
ids = [tokenizer(prompt, return_tensors="pt")["input_ids"] for prompt in prompts]
options = {"do_sample": False, "max_new_tokens": num_new, "eos_token_id": None}
with torch.inference_mode():
    model.generate(ids[0], **options)
    started_s = time.perf_counter()
    for one in ids:
        model.generate(one, **options)
print(len(ids) * num_new / (time.perf_counter() - started_s))
"""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Of one engine: tokens per second, and milliseconds to a short request's first token.

    Attributes:
        original_tokens: Share of the original's tokens that a converted copy chooses on this processor.
    """

    one_stream: float
    streams: float
    first_token_ms: float
    behind_answer_ms: float
    behind_prompt_ms: float
    original_tokens: str


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The shipped model and a random one of 123 million parameters, both without an end token."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("models")
    shipped = Path(shutil.copytree(BASE, folder / "shipped"))
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=8_192, hidden_size=768, intermediate_size=2_560, num_hidden_layers=14,
        num_attention_heads=12, num_key_value_heads=12, max_position_embeddings=2_048, bos_token_id=0,
        tie_word_embeddings=True,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    large = folder / "random"
    model.save_pretrained(large)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(BASE / name, large)
    for path in (shipped, large):
        (path / "generation_config.json").write_text(json.dumps({"eos_token_id": []}))
    return {"shipped": shipped, "random": large}


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", ["shipped", "random"])
def test_engines_side_by_side(models: dict[str, Path], name: str, tmp_path: Path) -> None:
    folder, is_small = models[name], name == "shipped"
    num_new = NUM_NEW_TOKENS if is_small else NUM_NEW_TOKENS // 4

    def loop() -> float:
        return generate_loop(folder, num_new, num_prompts=8 if is_small else 2)

    print(
        f"\n{MODELS[name]}, {num_new} tokens an answer, tokens/s and how many times those of generate() in a"
        " loop; first token alone, behind an answer and behind a prompt of 900 tokens; how many of the"
        " original's tokens a converted copy chooses\n"
        f"{'':<18}{'generate()':>11}{'1 stream':>10}{'ratio':>7}{f'{NUM_STREAMS} streams':>11}{'ratio':>7}"
    )
    before = loop()
    for engine, variables in ENGINES.items():
        found = measure(folder, num_new, is_small, SERVE_CACHE_DIR=str(tmp_path), **variables)
        after = loop()
        reference = (before + after) / 2  # the machine's speed drifts
        before = after
        print(
            f"{engine:<18}{reference:>11,.0f}{found.one_stream:>10,.0f}{found.one_stream / reference:>6.1f}x"
            f"{found.streams:>11,.0f}{found.streams / reference:>6.1f}x   {found.first_token_ms:.1f} ms,"
            f" {found.behind_answer_ms:.1f} ms, {found.behind_prompt_ms:.1f} ms   {found.original_tokens}"
        )


def prompts(count: int) -> list[str]:
    return [
        render(chat_messages(row["document"]), begin_token="", add_generation_prompt=True)
        for row in rows(count, 3)
    ]


def generate_loop(folder: Path, num_new: int, num_prompts: int) -> float:
    done = subprocess.run(
        [sys.executable, "-c", GENERATE_LOOP, str(folder), str(num_new)],
        input=json.dumps(prompts(num_prompts)), capture_output=True, text=True, check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    return float(done.stdout.split()[-1])


def measure(folder: Path, num_new: int, is_small: bool, **variables: str) -> Measured:
    with ServerProcess(HF_MODEL_ID=str(folder), OMP_NUM_THREADS="1", **variables) as server:
        address = urlsplit(server.ready().url)
        texts = iter(prompts(256))  # none twice: a repeated prompt would be known

        def ask(text: str, num_tokens: int = num_new) -> int:
            with asked(address.port, text, num_tokens, is_stream=False) as answer:
                assert answer.status == 200, answer.read()
                answer.read()
                return int(answer.getheader("x-generated-tokens"))

        def speed(num_users: int, num_requests: int) -> float:
            with ThreadPoolExecutor(num_users) as pool:
                started_s = time.perf_counter()
                total = sum(pool.map(ask, itertools.islice(texts, num_requests)))
                return total / (time.perf_counter() - started_s)

        ask(next(texts))
        one, many = speed(1, 8 if is_small else 2), speed(NUM_STREAMS, 96 if is_small else 8)
        alone = statistics.median(first_token_ms(address.port) for _ in range(9))
        long_text = " ".join(itertools.islice(texts, 8))
        with asked(address.port, next(texts), LONG_TOKENS if is_small else 60) as answer:
            answer.fp.readline()
            behind_answer = statistics.median(first_token_ms(address.port) for _ in range(5))
        with asked(address.port, long_text, 1, truncate=LONG_TOKENS):
            behind_prompt = first_token_ms(address.port)
        said = AGREEMENT.search("\n".join(server.output))
        return Measured(
            one_stream=one, streams=many, first_token_ms=alone, behind_answer_ms=behind_answer,
            behind_prompt_ms=behind_prompt, original_tokens=said[1] if said else "",
        )  # fmt: skip


@contextmanager
def asked(
    port: int, text: str, num_tokens: int, *, is_stream: bool = True, truncate: int | None = None
) -> Iterator[HTTPResponse]:
    """Send a request and give its answer, once its headers are there; the connection ends with the block."""
    connection = HTTPConnection("127.0.0.1", port, timeout=300)
    body = {"inputs": text, "parameters": {"max_new_tokens": num_tokens, "truncate": truncate}}
    route = "/generate_stream" if is_stream else "/generate"
    try:
        connection.request("POST", route, json.dumps(body).encode(), {"content-type": "application/json"})
        yield connection.getresponse()
    finally:
        connection.close()


def first_token_ms(port: int) -> float:
    started_s = time.perf_counter()
    with asked(port, "안녕하세요", 4) as answer:
        line = answer.fp.readline()
        while not line.startswith(b"data:"):
            line = answer.fp.readline()
    return (time.perf_counter() - started_s) * 1000
