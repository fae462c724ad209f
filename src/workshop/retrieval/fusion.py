"""Two rankings made one: by ranks alone (reciprocal rank fusion), or by scores brought to one scale."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

RRF_K = 60
"""What is added to each rank: the larger, the less the first places count."""

DEPTH = 50
"""So many places of each ranking count: below them is what the others found."""


def fuse(
    rankings: Sequence[Sequence[str]], *, rrf_k: int = RRF_K, depth: int = DEPTH
) -> list[tuple[str, float]]:
    """Return ids with the sum of 1 / (rrf_k + rank) over the rankings, best first.

    Args:
        rankings: Ids, best first, each at most once in a ranking.
        rrf_k: Above 0.
        depth: Places of each ranking that count.

    Source: Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank
    Learning Methods", SIGIR 2009.
    """
    scores: dict[str, float] = defaultdict(float)
    for ranking in rankings:
        for rank, id in enumerate(ranking[:depth], start=1):
            scores[id] += 1 / (rrf_k + rank)
    return _best_first(scores)


def blend(found: Sequence[Mapping[str, float]], weights: Sequence[float]) -> list[tuple[str, float]]:
    """Return ids with the weighted sum of their scores, each search's brought to 0 to 1, best first.

    What a search did not find has its score 0. A search whose scores are all the same says nothing.

    Args:
        found: Id to score, higher is better, of each search.
        weights: Of each search.
    """
    scores = dict.fromkeys([id for one in found for id in one], 0.0)
    for one, weight in zip(found, weights, strict=True):
        complete = {id: one.get(id, 0.0) for id in scores}
        low, high = (min(complete.values()), max(complete.values())) if complete else (0.0, 0.0)
        for id, score in complete.items():
            scores[id] += weight * ((score - low) / (high - low) if high > low else 0.0)
    return _best_first(scores)


def _best_first(scores: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))
