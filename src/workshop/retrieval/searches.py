"""Every search of the comparison, asked every question: four cuts, vectors, and each cut fused with them."""

from collections.abc import Sequence

from numpy.typing import NDArray

from workshop.retrieval.corpus import Question
from workshop.retrieval.fusion import fuse
from workshop.retrieval.index import NewsIndex
from workshop.retrieval.tokens import CUTS

VECTORS = "vectors"
HYBRIDS = {cut: f"hybrid {cut}" for cut in CUTS}
"""Name of the hybrid of each cut and the vectors."""

Rankings = dict[str, list[list[str]]]
"""Search to the ids that it found for each question, best first."""


def search_all(index: NewsIndex, questions: Sequence[Question], vectors: NDArray) -> Rankings:
    """Return what each search finds for each question, all of it, best first.

    Args:
        index: Of the articles.
        questions: What a reader typed.
        vectors: Of the questions, one a row.
    """
    k = index.num_articles
    found = {
        cut: [[hit.article_id for hit in index.by_words(one.text, cut=cut, k=k)] for one in questions]
        for cut in CUTS
    }
    found[VECTORS] = [[hit.article_id for hit in index.by_vector(vector, k=k)] for vector in vectors]
    for cut, name in HYBRIDS.items():
        pairs = zip(found[cut], found[VECTORS], strict=True)
        found[name] = [[id for id, _ in fuse(pair)] for pair in pairs]
    return found
