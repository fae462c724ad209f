"""A LanceDB table of news: texts, their terms cut four ways, vectors, and what one can filter by.

LanceDB's full text knows no Korean, so it gets text that is cut already (tokens.py) and cuts at white space
alone. Only this module and the notebook know LanceDB (0.40, Apache-2.0); nothing of it leaves the machine.
"""

import shutil
from collections.abc import Sequence
from datetime import date
from functools import cached_property
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workshop.errors import WorkshopError
from workshop.retrieval.corpus import Article
from workshop.retrieval.fusion import fuse
from workshop.retrieval.tokens import CUTS

if TYPE_CHECKING:
    from lancedb import DBConnection
    from lancedb.table import Table

FULL_TEXT = {
    "base_tokenizer": "whitespace",
    "lower_case": False,
    "stem": False,
    "remove_stop_words": False,
    "ascii_folding": False,
    "max_token_length": 100,
}
"""What FTS takes for text that is cut already: everything that it would do for English is switched off."""

_PREFIX = "news_"


class Hit(NamedTuple):
    """One article that was found; a higher score is a better one, of another scale for each search."""

    article_id: str
    score: float


class NewsIndex:
    """Search one table: by terms (BM25), by a vector (cosine), or by both (reciprocal rank fusion).

    Articles of equal score come in the order of their ids, so that a search gives the same every time.

    Args:
        table: As `index_rows` fills it, with full text on each of CUTS.
    """

    def __init__(self, table: "Table") -> None:
        self.table = table

    @cached_property
    def num_articles(self) -> int:
        return self.table.count_rows()

    def by_words(self, query: str, *, cut: str = "stems", k: int = 5, where: str | None = None) -> list[Hit]:
        """Return the best articles by BM25; those that share no term with the query are none.

        Args:
            query: What a reader typed: text, whatever signs are in it.
            cut: A name of CUTS.
            k: How many at most.
            where: What they have to be, as `filter_by` writes it.
        """
        from lancedb.query import MatchQuery

        (terms,) = CUTS[cut]([query])
        if not terms:
            return []
        search = self.table.search(MatchQuery(" ".join(terms), cut), query_type="fts")
        return self._best(search, "_score", 1, k, where)

    def by_vector(self, vector: NDArray, *, k: int = 5, where: str | None = None) -> list[Hit]:
        """Return the nearest articles, with their cosine; there is always a nearest one.

        Args:
            vector: Of the query, as long as those of the table.
            k: How many at most.
            where: What they have to be, as `filter_by` writes it.
        """
        search = self.table.search(vector, vector_column_name="vector").distance_type("cosine")
        return [Hit(id, 1 - distance) for id, distance in self._best(search, "_distance", -1, k, where)]

    def hybrid(
        self, query: str, vector: NDArray, *, cut: str = "stems", k: int = 5, where: str | None = None
    ) -> list[Hit]:
        """Return the best articles by both, fused by their ranks (fusion.py)."""
        everything = self.num_articles
        rankings = [
            [hit.article_id for hit in self.by_words(query, cut=cut, k=everything, where=where)],
            [hit.article_id for hit in self.by_vector(vector, k=everything, where=where)],
        ]
        return [Hit(id, score) for id, score in fuse(rankings)[:k]]

    def _best(self, search: Any, column: str, sign: int, k: int, where: str | None) -> list[Hit]:
        if where:
            search = search.where(where, prefilter=True)
        # All of them: LanceDB cuts among equal scores as they happen to come.
        found = search.select(["id", column]).limit(self.num_articles).to_arrow()
        hits = map(Hit, found["id"].to_pylist(), found[column].to_pylist())
        return sorted(hits, key=lambda hit: (-sign * hit.score, hit.article_id))[:k]


def index_rows(articles: Sequence[Article], vectors: NDArray) -> list[dict[str, Any]]:
    """Return the rows of a table: what an article is, its terms in a column for each of CUTS, its vector."""
    if len(articles) != len(vectors):
        raise ValueError(f"found {len(articles)} articles and {len(vectors)} vectors; expected as many")
    texts = [article.text for article in articles]
    terms = {name: [" ".join(cut_text) for cut_text in cut(texts)] for name, cut in CUTS.items()}
    return [
        {
            "id": article.id,
            "category": article.category,
            "date": article.date[:10],
            "press": article.press,
            "title": article.title,
            "document": article.document,
            **{name: texts[place] for name, texts in terms.items()},
            "vector": vectors[place],
        }
        for place, article in enumerate(articles)
    ]


def filter_by(
    *,
    category: str | None = None,
    press: str | None = None,
    since: str | None = None,
    until: str | None = None,
) -> str | None:
    """Return the condition that LanceDB's `where` takes; None without any.

    Args:
        category: For example 경제.
        press: For example 누리신문.
        since: First day, 2025-03-01.
        until: Last day.

    Raises:
        WorkshopError: A day is not one.
    """
    conditions = [f"{name} = {_quoted(value)}" for name, value in
                  (("category", category), ("press", press)) if value is not None]  # fmt: skip
    for sign, day in ((">=", since), ("<=", until)):
        if day is not None:
            conditions.append(f"date {sign} '{_checked(day)}'")
    return " AND ".join(conditions) or None


def open_index(home: Path, articles: Sequence[Article], vectors: NDArray) -> NewsIndex:
    """Return the index of these articles; it is built when there is none, or one of others.

    Args:
        home: Of the mode; the table stands in a folder below it.
        articles: What can be found.
        vectors: One of each, of the same length.
    """
    database = open_database(home)
    name = _PREFIX + _fingerprint(articles, vectors)
    for other in database.list_tables().tables:
        is_old = other.startswith(_PREFIX) and other != name
        if is_old or (other == name and not _is_whole(database, name)):
            shutil.rmtree(home / "lancedb" / f"{other}.lance")
    if name in database.list_tables().tables:
        return NewsIndex(database.open_table(name))
    from lancedb.index import FTS

    # Not mode="overwrite": of a table that is new LanceDB then warns by its full path.
    table = database.create_table(name, index_rows(articles, vectors))
    for cut in CUTS:
        table.create_index(cut, config=FTS(**FULL_TEXT))
    return NewsIndex(table)


def open_database(home: Path) -> "DBConnection":
    """Return LanceDB's folder below a mode's home, empty the first time."""
    import lancedb

    return lancedb.connect(home / "lancedb")


def _is_whole(database: "DBConnection", name: str) -> bool:
    """Tell whether a table was finished: a killed process leaves one without rows or without full text."""
    try:
        indices = database.open_table(name).list_indices()
    except (ValueError, OSError, RuntimeError):
        return False
    return {column for index in indices for column in index.columns} >= set(CUTS)


def _fingerprint(articles: Sequence[Article], vectors: NDArray) -> str:
    """Return what a table's name ends in: other articles, vectors or ways to cut are another table."""
    digest = sha256(repr([version("lancedb"), version("kiwipiepy"), sorted(FULL_TEXT.items())]).encode())
    digest.update(Path(__file__).with_name("tokens.py").read_bytes())
    for article in articles:
        digest.update(repr(article).encode("utf-8", "surrogatepass"))
    digest.update(np.ascontiguousarray(vectors, dtype=np.float32).tobytes())
    return digest.hexdigest()[:16]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _checked(day: str) -> str:
    try:
        return date.fromisoformat(day).isoformat()
    except ValueError:
        raise WorkshopError(
            found=f"the day {day!r}", expected="a day such as 2025-03-01", next_step="write the day so"
        ) from None
