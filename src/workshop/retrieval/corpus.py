"""The articles that are searched, and questions whose article and answer are known.

They are this repository's own in every mode: thirty articles written by hand among generated ones, whose
names no training text has. Of other news nobody knows which article answers a question. The mode says how
many.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sample.news import generator, handwritten
from sample.news.questions import ask
from workshop.errors import WorkshopError
from workshop.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Article:
    """One article that can be found: its id, what it can be filtered by, and its text."""

    id: str
    category: str
    date: str
    press: str
    title: str
    document: str

    @property
    def text(self) -> str:
        """What is indexed: the title, a line end, the article."""
        return f"{self.title}\n{self.document}"


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question, the article that answers it and the answers that count.

    Attributes:
        id: unique in a corpus.
        article_id: of the article that has the answer.
        wording: "direct", "paraphrase", "keywords" or "typing error".
        asks_for: for example "amount" or "place".
        text: what a reader types.
        model_text: what a model is asked behind the article: for a generated article as the base model was
            asked in its pre-training, else the reader's text.
        answers: forms that are right; the first stands in the article word for word.
    """

    id: str
    article_id: str
    wording: str
    asks_for: str
    text: str
    model_text: str
    answers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """The articles, by date, and the questions that can be asked about them."""

    articles: tuple[Article, ...]
    _drawn: Sequence[Any] = field(repr=False)
    _seed: int

    def generated_questions(self, num_questions: int, *, seed: int) -> list[Question]:
        """Return questions on the generated articles; another seed gives others.

        Args:
            num_questions: In multiples of 25 the shares of kinds and wordings are exact.
            seed: Of what is asked, and of which article.

        Raises:
            WorkshopError: The articles do not have as many.
        """
        try:
            rows = ask(self._drawn, num_questions, seed=seed)
        except ValueError as problem:
            raise WorkshopError(
                found=f"{problem}",
                expected="as many questions as the articles of the corpus answer",
                next_step="ask for fewer questions",
            ) from None
        return [
            _question(f"generated/{seed}/{index:04d}", _generated_id(self._seed, row["row"]), row)
            for index, row in enumerate(rows)
        ]

    def handwritten_questions(self) -> list[Question]:
        """Return the sixty questions on the hand-written articles, written before anything was tuned."""
        return [
            _question(f"handwritten/{index:04d}", _handwritten_id(row["split"], row["row"]), row)
            for index, row in enumerate(handwritten.questions())
        ]


def load_corpus(settings: Settings) -> Corpus:
    """Return the corpus of a mode: `num_corpus_articles` articles, thirty of them written by hand."""
    by_hand = {
        _handwritten_id(split, index): row
        for split in handwritten.SPLITS
        for index, row in enumerate(handwritten.rows(split))
    }
    num_generated = settings.num_corpus_articles - len(by_hand)
    drawn = tuple(generator.rows_with_values(num_generated, settings.seed, held_out_names=True))
    rows = by_hand | {_generated_id(settings.seed, index): row for index, (row, _) in enumerate(drawn)}
    names = ("category", "date", "press", "title", "document")
    articles = [Article(id=id, **{name: row[name] for name in names}) for id, row in rows.items()]
    articles.sort(key=lambda article: (article.date, article.id))
    return Corpus(articles=tuple(articles), _drawn=drawn, _seed=settings.seed)


def _generated_id(seed: int, row: int) -> str:
    return f"generated/{seed}/{row:04d}"


def _handwritten_id(split: str, row: int) -> str:
    return f"handwritten/{split}/{row}"


def _question(id: str, article_id: str, row: dict[str, Any]) -> Question:
    return Question(
        id=id,
        article_id=article_id,
        wording=row["wording"],
        asks_for=row["asks_for"],
        text=row["question"],
        model_text=row.get("model_question", row["question"]),
        answers=tuple(row["answers"]),
    )
