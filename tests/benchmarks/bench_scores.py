"""How long it takes to score as many summaries as the public test set has, each measure on its own.

    python -m pytest -s tests/benchmarks/bench_scores.py -o python_files='bench_*.py'

The texts are generated, put together to the lengths of the public set's: articles of about 900 characters,
summaries of about 190. A tenth of the words of each summary are others than the reference's.
"""

from __future__ import annotations

import os
import platform
import random
import time
from collections.abc import Callable

from sample.news import generator
from workshop.evaluation.confidence import mean_interval, permutation_p_value
from workshop.evaluation.morphemes import MORPHEMES
from workshop.evaluation.scores import UNITS, describe_systems, score_systems

NUM_SUMMARIES = 2_740  # of the test split of daekeun-ml/naver-news-summarization-ko


def texts() -> tuple[list[str], list[str], list[str]]:
    """Return articles, references and summaries."""
    draw = random.Random(1)
    rows = list(generator.rows(4 * NUM_SUMMARIES, seed=1))
    groups = [rows[first : first + 4] for first in range(0, len(rows), 4)]
    articles = [" ".join(row["document"] for row in group)[:1_100] for group in groups]
    references = [" ".join(row["summary"] for row in group[:2]) for group in groups]
    words = " ".join(references).split()
    summaries = [
        " ".join(draw.choice(words) if draw.random() < 0.1 else word for word in reference.split())
        for reference in references
    ]
    return articles, references, summaries


def timed(what: str, call: Callable[[], object]) -> None:
    started_s, started_cpu_s = time.perf_counter(), time.process_time()
    call()
    elapsed_s, cpu_s = time.perf_counter() - started_s, time.process_time() - started_cpu_s
    print(f"{what:32} {elapsed_s:6.2f} s, {cpu_s:6.2f} CPU-seconds")


def test_scoring_as_many_summaries_as_the_public_test_set() -> None:
    articles, references, summaries = texts()
    systems = {"system": summaries}
    lengths = [sum(map(len, part)) // NUM_SUMMARIES for part in (articles, references, summaries)]
    print(f"\n{NUM_SUMMARIES} articles, references and summaries of {lengths} characters on average")
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    timed("loading the analyser", lambda: MORPHEMES.tokenize("가"))

    def everything() -> None:
        score_systems(articles, references, systems, units=(*UNITS, "morpheme"))
        describe_systems(articles, references, systems)

    timed("everything", everything)
    timed("  of it: words and syllables", lambda: score_systems(articles, references, systems))
    timed("  of it: how they are written", lambda: describe_systems(articles, references, systems))
    draw = random.Random(2)
    one, other = ([draw.random() for _ in summaries] for _ in range(2))
    timed("interval of one metric", lambda: mean_interval(one))
    timed("permutation test of one metric", lambda: permutation_p_value(one, other))
