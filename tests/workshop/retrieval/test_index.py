"""The index finds by words, vectors and both; a query is text; the table follows the corpus."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from workshop.errors import WorkshopError
from workshop.retrieval.corpus import Article
from workshop.retrieval.fusion import fuse
from workshop.retrieval.index import NewsIndex, filter_by, index_rows, open_index
from workshop.retrieval.tokens import CUTS


def article(id: str, title: str, document: str, category: str = "경제", day: str = "2025-03-01") -> Article:
    return Article(
        id=id, category=category, date=f"{day} 09:00:00", press="누리신문", title=title, document=document
    )


ARTICLES = [
    article("a1", "섬빛은행, 대출 출시", "섬빛은행은 대출을 내놓았다."),
    article("a2", "몽흰과학원, 교실 개설", "몽흰과학원이 교실을 열었다.", "사회", "2025-05-20"),
    article("a3", "돌벼철도, 노선 개통", "돌벼철도가 노선을 열었다.", "사회", "2025-09-02"),
    article("a4", 'It\'s "new"', "콩누게임즈의 게임 AND 놀이 OR (낚시)*", "IT'과학", "2025-12-31"),
    article("a5", "같은 글", "산마을 소식"),
    article("a0", "같은 글", "산마을 소식"),
]
VECTORS = np.eye(8, dtype=np.float32)[[0, 1, 2, 3, 4, 4]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("index")


@pytest.fixture(scope="module")
def index(home: Path) -> NewsIndex:
    return open_index(home, ARTICLES, VECTORS)


def ids(hits) -> list[str]:
    return [hit.article_id for hit in hits]


def test_words_find_a_name_with_the_same_particle_alone_and_stems_with_any(index: NewsIndex) -> None:
    assert ids(index.by_words("섬빛은행은", cut="words")) == ["a1"]
    assert ids(index.by_words("섬빛은행에서", cut="words")) == []
    assert ids(index.by_words("섬빛은행에서", cut="stems")) == ["a1"]
    assert ids(index.by_words("섬빛은행에서", cut="bigrams"))[0] == "a1"
    # The analyser cuts the coined name in one sentence and leaves it whole in another.
    assert ids(index.by_words("섬빛은행에서", cut="morphemes")) == []
    assert ids(index.by_words("몽흰과학원에서", cut="morphemes")) == ["a2"]


def test_bm25_of_the_library_equals_an_independent_computation(index: NewsIndex) -> None:
    texts = [terms.split() for terms in (row["stems"] for row in index_rows(ARTICLES, VECTORS))]
    lengths, n = [len(terms) for terms in texts], len(texts)
    (asked,) = CUTS["stems"](["교실 노선 소식"])
    expected = {}
    for terms, length, one in zip(texts, lengths, ARTICLES, strict=True):
        total = 0.0
        for term in asked:
            df = sum(term in other for other in texts)
            tf = terms.count(term)
            idf = np.log(1 + (n - df + 0.5) / (df + 0.5))
            total += idf * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * length / (sum(lengths) / n)))
        if total:
            expected[one.id] = total
    found = {hit.article_id: hit.score for hit in index.by_words("교실 노선 소식", k=6)}
    assert found == pytest.approx(expected, rel=1e-5)


def test_vectors_find_the_nearest_with_its_cosine(index: NewsIndex) -> None:
    query = np.array([0.6, 0.8, 0, 0, 0, 0, 0, 0], dtype=np.float32)
    hits = index.by_vector(query, k=2)
    assert ids(hits) == ["a2", "a1"]
    assert [hit.score for hit in hits] == pytest.approx([0.8, 0.6], abs=1e-6)


def test_the_hybrid_is_the_fusion_of_both_rankings(index: NewsIndex) -> None:
    query = "돌벼철도 노선"
    both = [ids(index.by_words(query, k=6)), ids(index.by_vector(VECTORS[1], k=6))]
    hits = index.hybrid(query, VECTORS[1], k=6)
    assert [(hit.article_id, hit.score) for hit in hits] == fuse(both)
    assert {"a2", "a3"} <= set(ids(hits)[:3])


def test_filters_hold_in_every_search(index: NewsIndex) -> None:
    where = filter_by(category="사회", since="2025-05-20", until="2025-08-31")
    everything = np.ones(8, dtype=np.float32)
    assert ids(index.by_vector(everything, where=where)) == ["a2"]
    assert ids(index.by_words("교실 노선 대출", where=where)) == ["a2"]
    assert ids(index.hybrid("교실 노선 대출", everything, where=where)) == ["a2"]
    assert ids(index.by_vector(everything, where=filter_by(press="없는신문"))) == []
    assert ids(index.by_vector(everything, where=filter_by(category="IT'과학"))) == ["a4"]
    assert ids(index.by_vector(everything, where=filter_by(category="x' OR '1' = '1"))) == []
    assert filter_by() is None


def test_a_day_that_is_none_says_what_to_write() -> None:
    with pytest.raises(WorkshopError, match="2025-03-01"):
        filter_by(since="어제' OR '1'='1")


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(
    "query",
    ['"콩누게임즈" AND -놀이', "콩누게임즈' OR (낚시)* ~2", "콩누게임즈^9 +게임 \\", "title:콩누게임즈의"],
)
def test_quotes_and_operators_in_a_query_are_text(index: NewsIndex, cut: str, query: str) -> None:
    assert "a1" not in ids(index.by_words(query, cut=cut))
    if cut != "words":
        assert ids(index.by_words(query, cut=cut))[0] == "a4"


def test_an_empty_query_finds_nothing_by_words_and_goes_by_meaning_in_the_hybrid(index: NewsIndex) -> None:
    for query in ("", " \n", "?!", "👍", "없는말"):
        assert index.by_words(query, cut="words") == []
        assert ids(index.hybrid(query, VECTORS[2], cut="words"))[0] == "a3"


def test_articles_that_are_equal_come_in_the_order_of_their_ids(index: NewsIndex) -> None:
    for k in (1, 2):
        assert ids(index.by_words("산마을 소식", k=k)) == ["a0", "a5"][:k]
        assert ids(index.by_vector(VECTORS[4], k=k)) == ["a0", "a5"][:k]
        assert ids(index.hybrid("산마을 소식", VECTORS[4], k=k)) == ["a0", "a5"][:k]


def test_the_same_corpus_is_opened_and_another_one_built_in_its_place(tmp_path: Path) -> None:
    first = open_index(tmp_path, ARTICLES[:2], VECTORS[:2])
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    again = open_index(tmp_path, ARTICLES[:2], VECTORS[:2])
    assert again.table.name == first.table.name
    assert files == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}

    changed = [ARTICLES[0], replace(ARTICLES[1], document="새말이 들어왔다.")]
    other = open_index(tmp_path, changed, VECTORS[:2])
    assert ids(other.by_words("새말")) == ["a2"]
    assert [path.name for path in (tmp_path / "lancedb").iterdir()] == [f"{other.table.name}.lance"]
    turned = open_index(tmp_path, changed, VECTORS[1:3])
    assert turned.table.name != other.table.name


def test_a_table_that_was_not_finished_is_built_again(tmp_path: Path) -> None:
    name = open_index(tmp_path, ARTICLES[:2], VECTORS[:2]).table.name
    folder = tmp_path / "lancedb" / f"{name}.lance"
    shutil.rmtree(folder / "_versions")  # killed before the rows were there
    assert ids(open_index(tmp_path, ARTICLES[:2], VECTORS[:2]).by_words("교실")) == ["a2"]
    table = open_index(tmp_path, ARTICLES[:2], VECTORS[:2]).table
    table.drop_index("stems_idx")  # killed before the last full text
    assert len(table.list_indices()) == len(CUTS) - 1
    assert len(open_index(tmp_path, ARTICLES[:2], VECTORS[:2]).table.list_indices()) == len(CUTS)


def test_as_many_vectors_as_articles_are_asked_for() -> None:
    with pytest.raises(ValueError, match="6 articles and 2 vectors"):
        index_rows(ARTICLES, VECTORS[:2])


def test_nothing_is_loaded_before_it_is_used_and_no_path_is_printed(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from workshop.retrieval import corpus, fusion, index, scores, tokens\n"
        "assert not {'lancedb', 'kiwipiepy', 'pandas', 'pyarrow'} & set(sys.modules)\n"
        "one = corpus.Article(id='a', category='', date='2025-01-01', press='', title='가나', "
        "document='다라')\n"
        "found = index.open_index(Path(sys.argv[1]), [one], np.ones((1, 8), dtype=np.float32))\n"
        "print(found.by_words('가나'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "article_id='a'" in done.stdout
    assert done.stderr == ""
