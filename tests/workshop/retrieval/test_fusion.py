"""Rankings are fused as the papers say, equal scores in the order of their ids."""

import random
from fractions import Fraction

import pytest

from workshop.retrieval.fusion import DEPTH, RRF_K, blend, fuse


def rankings(seed: int) -> list[list[str]]:
    draw = random.Random(seed)
    ids = [f"a{index:03d}" for index in range(120)]
    return [draw.sample(ids, draw.randint(0, 120)) for _ in range(draw.randint(1, 4))]


@pytest.mark.parametrize("seed", range(20))
def test_reciprocal_rank_fusion_equals_an_exact_reference(seed: int) -> None:
    found = rankings(seed)
    ids = {id for ranking in found for id in ranking[:DEPTH]}
    exact = {
        id: sum((Fraction(1, RRF_K + 1 + r[:DEPTH].index(id)) for r in found if id in r[:DEPTH]), Fraction())
        for id in ids
    }
    fused = fuse(found)
    assert {id for id, _ in fused} == ids
    assert all(abs(score - float(exact[id])) < 1e-9 for id, score in fused)
    assert [id for id, _ in fused] == sorted(ids, key=lambda id: (-exact[id], id))


def test_lancedbs_reranker_gives_the_same_scores() -> None:
    import pyarrow as pa
    from lancedb.rerankers import RRFReranker

    draw = random.Random(3)
    first, second = (draw.sample(range(100), 40) for _ in range(2))
    tables = [pa.table({"_rowid": pa.array(ids, pa.uint64()), name: [0.5] * 40})
              for ids, name in ((first, "_distance"), (second, "_score"))]  # fmt: skip
    library = RRFReranker(K=RRF_K).rerank_hybrid("", *tables)
    scores = dict(zip(library["_rowid"].to_pylist(), library["_relevance_score"].to_pylist(), strict=True))
    ours = {int(id): score for id, score in fuse([list(map(str, ids)) for ids in (first, second)])}
    assert ours == pytest.approx(scores, abs=1e-8)  # LanceDB keeps float32


def test_what_stands_below_the_depth_counts_for_nothing() -> None:
    assert fuse([["a", "b", "c"], ["c", "a"]], depth=1) == [("a", 1 / 61), ("c", 1 / 61)]


def test_two_who_are_equal_come_in_the_order_of_their_ids() -> None:
    assert [id for id, _ in fuse([["b", "a"], ["a", "b"]])] == ["a", "b"]
    assert [id for id, _ in blend([{"b": 1.0, "a": 1.0, "c": 0.0}], [1.0])] == ["a", "b", "c"]


def test_blended_scores_equal_an_independent_computation() -> None:
    import numpy as np

    draw = np.random.default_rng(5)
    ids = [f"a{index}" for index in range(30)]
    by_words, by_vector = draw.random(30) * (draw.random(30) < 0.5), draw.normal(size=30)
    found = [{id: s for id, s in zip(ids, by_words, strict=True) if s > 0},
             dict(zip(ids, by_vector, strict=True))]  # fmt: skip
    scaled = [(s - s.min()) / (s.max() - s.min()) for s in (by_words, by_vector)]
    expected = 0.3 * scaled[0] + 0.7 * scaled[1]
    blended = dict(blend(found, [0.3, 0.7]))
    assert all(abs(blended[id] - expected[place]) < 1e-9 for place, id in enumerate(ids))


def test_a_search_that_found_nothing_or_cannot_tell_apart_changes_nothing() -> None:
    alone = {"a": 3.0, "b": 1.0}
    assert blend([{}, alone], [0.5, 0.5]) == blend([{"a": 2.0, "b": 2.0}, alone], [0.5, 0.5])
    assert fuse([[], ["a", "b"]]) == fuse([["a", "b"]])
    assert fuse([]) == [] == blend([], [])
