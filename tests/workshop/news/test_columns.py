"""What a column may be called, and its values as text."""

import json
import unicodedata
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workshop.errors import WorkshopError
from workshop.news.columns import KOREAN_NAMES, find_columns, value_as_text
from workshop.news.files import read_file
from workshop.news.table import COLUMNS, to_table

from .conftest import ARTICLE, SUMMARY, row

KOREAN = {
    "일자": "2026-01-01",
    "언론사": "한강일보",
    "제목": "심야 버스",
    "본문": ARTICLE,
    "URL": "http://a",
    "요약": SUMMARY,
}
READ = row(category="", date="2026-01-01", press="한강일보", title="심야 버스", link="http://a")
VARIATIONS = {
    "as written": lambda name: name,
    "blanks": lambda name: f"\u3000{name} ",
    "macOS": lambda name: unicodedata.normalize("NFD", name),
    "case": str.title,
    "mark": lambda name: f"\ufeff{name}",
}


def write(path: Path, rows: list[dict]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".csv":
        pd.DataFrame(rows).to_csv(path, index=False)
    else:
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def read(path: Path) -> list[dict[str, str]]:
    return to_table(read_file(path)).to_dict("records")


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("vary", VARIATIONS.values(), ids=VARIATIONS)
@pytest.mark.parametrize("language", ["English", "Korean"])
def test_names_are_found_however_an_office_writes_them(kind, vary, language: str, tmp_path: Path) -> None:
    found = KOREAN if language == "Korean" else READ
    path = write(tmp_path / f"news.{kind}", [{vary(name): value for name, value in found.items()}] * 2)
    assert read(path) == [READ] * 2


def test_name_as_it_stands_goes_before_one_that_means_the_same(tmp_path: Path) -> None:
    path = write(
        tmp_path / "news.csv",
        [{"본문": "짧은 글", "Document": "다른 글", "document": ARTICLE, "summary": SUMMARY}],
    )
    assert read(path) == [row(category="")]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_two_names_for_one_column_are_refused(kind: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"news.{kind}", [{"본문": ARTICLE, "기사": "12", "요약": SUMMARY}])
    with pytest.raises(
        WorkshopError, match=r"2 columns for document .*'본문' \(column 1\) and '기사' \(column 2\)"
    ):
        read(path)


def test_parquet_with_two_columns_of_one_name_is_refused(tmp_path: Path) -> None:
    columns = [pa.array([text]) for text in (ARTICLE, SUMMARY, "x")]
    pq.write_table(pa.Table.from_arrays(columns, ["document", "summary", "document"]), tmp_path / "a.parquet")
    with pytest.raises(WorkshopError, match="2 columns for document"):
        read(tmp_path / "a.parquet")


def test_name_that_may_be_either_text_is_not_guessed(tmp_path: Path) -> None:
    path = write(tmp_path / "news.csv", [{"제목": "a", "내용": ARTICLE, "요약": SUMMARY}])
    with pytest.raises(WorkshopError, match="the columns 제목, 내용, 요약") as error:
        read(path)
    assert error.value.expected.startswith("document as well")


def test_file_without_a_header_is_told_so_in_a_few_words(tmp_path: Path) -> None:
    path = tmp_path / "news.csv"
    path.write_text(f'"{ARTICLE * 100}","{SUMMARY}"\n', encoding="utf-8")
    with pytest.raises(WorkshopError) as error:
        read(path)
    assert len(str(error.value)) < 600
    assert "first row" in error.value.next_step
    path.write_text("document,summary\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert read(path) == [row(category="", document=ARTICLE * 100)]


def test_korean_names_are_written_as_they_are_compared() -> None:
    assert set(KOREAN_NAMES.values()) == set(COLUMNS)
    assert find_columns(list(KOREAN_NAMES)[:1], "a file") == {"document": 0}
    for name, column in KOREAN_NAMES.items():
        assert find_columns([name.upper()], "a file") == {column: 0}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (float("nan"), ""),
        (20260101.0, "20260101"),
        (1.5, "1.5"),
        (7, "7"),
        (True, "True"),
        ("nan", "nan"),
    ],
)
def test_values_become_the_text_that_they_mean(value, text: str, tmp_path: Path) -> None:
    assert value_as_text(value) == text
    rows = [{"document": ARTICLE, "summary": SUMMARY, "category": value}]
    assert read(write(tmp_path / "news.jsonl", rows)) == [row(category=text)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == [row(category=text.lower() if value is True else text)]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_gaps_of_pandas_are_empty_in_every_kind(kind: str, tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"document": ARTICLE, "summary": SUMMARY, "category": [float("nan")] * 2, "date": [20260101, None]}
    )
    path = tmp_path / f"news.{kind}"
    if kind == "parquet":
        # pandas itself writes null; other writers write NaN as it is.
        pq.write_table(pa.table({name: pa.array(list(table[name])) for name in table}), path)
    elif kind == "csv":
        table.to_csv(path, index=False)
    else:
        write(path, table.to_dict("records"))
    dates = ["20260101.0" if kind == "csv" else "20260101", ""]
    assert read(path) == [row(category="", date=date) for date in dates]


def test_article_that_is_missing_is_empty_and_one_that_is_a_number_is_refused(tmp_path: Path) -> None:
    gap = {"document": float("nan"), "summary": SUMMARY}
    for kind in ("jsonl", "parquet"):
        path = write(tmp_path / f"news.{kind}", [gap, gap])
        assert read(path) == [row(category="", document="")] * 2
        write(path, [gap, {"document": 1.5, "summary": SUMMARY}])
        with pytest.raises(WorkshopError, match=r"float|double"):
            read(path)
