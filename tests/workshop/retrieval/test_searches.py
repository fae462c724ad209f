"""Every search of the comparison answers every question, and a hybrid is the fusion of its two sides."""

from pathlib import Path

import numpy as np
from tests.workshop.retrieval.test_index import ARTICLES, VECTORS
from tests.workshop.retrieval.test_scores import question

from workshop.retrieval.fusion import fuse
from workshop.retrieval.index import open_index
from workshop.retrieval.searches import HYBRIDS, search_all
from workshop.retrieval.searches import VECTORS as BY_VECTORS
from workshop.retrieval.tokens import CUTS


def test_each_search_ranks_the_articles_for_each_question(tmp_path: Path) -> None:
    index = open_index(tmp_path, ARTICLES, VECTORS)
    questions = [question("a1"), question("a3")]
    found = search_all(index, questions, np.stack([VECTORS[0], VECTORS[2]]))
    assert list(found) == [*CUTS, BY_VECTORS, *HYBRIDS.values()]
    assert all(len(rankings) == 2 for rankings in found.values())
    assert [ranking[0] for ranking in found[BY_VECTORS]] == ["a1", "a3"]
    assert found["words"] == [[], []]  # these questions have no text
    for cut, name in HYBRIDS.items():
        pairs = zip(found[cut], found[BY_VECTORS], strict=True)
        assert found[name] == [[id for id, _ in fuse(pair)] for pair in pairs]
