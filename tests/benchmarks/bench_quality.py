"""Quality over three seeds: `make bench`, or pytest -s tests/benchmarks/bench_quality.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.train.quality import measure


@pytest.mark.parametrize("seed", [42, 43, 44])
def test_quality(tmp_path: Path, seed: int) -> None:
    scores = measure(tmp_path, seed=seed)["all topics"]["tuned"]
    assert scores["word_rouge_l"] >= 0.85
    assert scores["numbers_right"] >= 0.90
    assert scores["names"] >= 0.95
