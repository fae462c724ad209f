"""News in every shape that the tests of the preparation need."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sample.news import generator
from workshop.errors import WorkshopError
from workshop.news.files import read_file
from workshop.news.table import COLUMNS, SPLITS, News, to_table

ARTICLE = (
    "한강시가 내년 3월부터 심야 버스를 늘린다. 시는 15일 새 노선 4개를 만들고 배차 간격을 12분으로 줄인다고 "
    "밝혔다. 예산은 48억 원이 든다. 박하늘 시장은 “밤에 일하는 시민의 발이 되겠다”고 말했다."
)
SUMMARY = "한강시가 내년 3월부터 48억 원을 들여 심야 버스 노선 4개를 새로 만든다."

MakeNews = Callable[..., News]


def row(document: str = ARTICLE, summary: str = SUMMARY, **values: str) -> dict[str, str]:
    """Return a row in all columns."""
    return (
        dict.fromkeys(COLUMNS, "") | {"category": "사회", "document": document, "summary": summary} | values
    )


def article(number: int) -> str:
    """Return an article that shares no word triple with another number's."""
    return " ".join(f"{word}{number}" for word in ARTICLE.split())


def read(path: Path) -> list[dict[str, str]]:
    """Return the rows of a file of news."""
    return to_table(read_file(path)).to_dict("records")


def error_of(path: Path) -> WorkshopError:
    """Return why a file of news is refused; the error names it."""
    with pytest.raises(WorkshopError) as error:
        read(path)
    assert str(path) in error.value.found
    return error.value


@pytest.fixture
def make_news() -> MakeNews:
    """Make news of rows: `make_news(train=[row(...)], test=[...])`; a split without rows has none."""

    def make(**rows: Sequence[dict[str, str]]) -> News:
        splits = {
            split: pd.DataFrame(rows.get(split, []), columns=list(COLUMNS), dtype="str") for split in SPLITS
        }
        return News(splits=splits, num_loaded={split: len(table) for split, table in splits.items()})

    return make


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    """A byte-level tokenizer like Llama 3's, trained on generated news and the prompt."""
    from sample.base.tokenizer import train_tokenizer
    from workshop.prompt import chat_messages, render

    rows = generator.rows(300, seed=7)
    texts = [render(chat_messages(row["document"], row["summary"])) for row in rows]
    return train_tokenizer(texts, model_max_length=2048)
