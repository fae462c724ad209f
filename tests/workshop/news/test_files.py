"""Reading CSV, JSONL and Parquet files, good and bad."""

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workshop.news.table import COLUMNS

from .conftest import ARTICLE, SUMMARY, error_of, read, row

TRICKY = [
    ARTICLE,
    "쉼표, 따옴표 \"와\" '이것', 줄\n바꿈",
    "한글 NFD",
    "大韓民國 😀👨‍👩‍👧‍👦 ｶﾀｶﾅ ＡＢＣ ﾡﾢ iPhone 15 Pro",
    "NA",
    "null",
    "",
    "001",
    "가" * 300_000,
    "탭\t과 제어문자\x01",
]
ROWS = [row(document=document, date="20260101", press=f"신문{n}") for n, document in enumerate(TRICKY)]


def write_csv(path: Path, rows: list[dict], encoding: str = "utf-8") -> Path:
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_jsonl(path: Path, rows: list[dict], encoding: str = "utf-8") -> Path:
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text("".join(lines), encoding=encoding)
    return path


def write_parquet(path: Path, rows: list[dict]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


WRITERS = {"csv": write_csv, "jsonl": write_jsonl, "parquet": write_parquet}


@pytest.mark.parametrize("kind", WRITERS)
def test_every_text_comes_back_as_it_was_written(kind: str, tmp_path: Path) -> None:
    assert read(WRITERS[kind](tmp_path / f"news.{kind}", ROWS)) == ROWS


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_byte_order_mark_and_upper_case_extension_are_accepted(kind: str, tmp_path: Path) -> None:
    path = WRITERS[kind](tmp_path / f"news.{kind.upper()}", ROWS, encoding="utf-8-sig")
    assert read(path) == ROWS


@pytest.mark.parametrize("kind", WRITERS)
def test_columns_beyond_article_and_summary_may_be_missing_or_more(kind: str, tmp_path: Path) -> None:
    path = WRITERS[kind](
        tmp_path / f"news.{kind}", [{"extra": "x", "summary": SUMMARY, "document": ARTICLE}] * 2
    )
    assert read(path) == [row(category="")] * 2


@pytest.mark.parametrize("kind", WRITERS)
def test_missing_column_is_named_with_the_likely_misspelling(kind: str, tmp_path: Path) -> None:
    path = WRITERS[kind](tmp_path / f"news.{kind}", [{"title": "제목", "documents": ARTICLE}])
    error = error_of(path)
    assert "title, documents" in error.found
    assert "document and summary" in error.expected
    assert error.next_step == "rename 'documents' to 'document'"


@pytest.mark.parametrize("kind", WRITERS)
def test_empty_file_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"news.{kind}"
    path.touch()
    assert "is empty" in error_of(path).found


def test_file_with_a_header_alone_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "news.csv"
    path.write_text("document,summary\n")
    assert "has no rows" in error_of(path).found


def test_jsonl_of_blank_lines_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "news.jsonl"
    path.write_text("\n \n")
    assert "has no rows" in error_of(path).found


@pytest.mark.parametrize("name", ["news.xlsx", "news.xls", "news.parquet.gz", "news.zip", "news"])
def test_unknown_extension_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text("x")
    error = error_of(path)
    assert ".csv, .jsonl, .parquet" in error.expected


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_cp949_is_recognised_and_the_conversion_is_named(kind: str, tmp_path: Path) -> None:
    path = WRITERS[kind](tmp_path / f"news.{kind}", [row()] * 3, encoding="cp949")
    error = error_of(path)
    assert "encoded in CP949" in error.found
    command = f"mv {path} {path}.original && iconv -f CP949 -t UTF-8 < {path}.original > {path}"
    assert f"`{command}`" in error.next_step


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_read_with_and_without_a_mark(kind: str, encoding: str, tmp_path: Path) -> None:
    path = WRITERS[kind](tmp_path / f"news.{kind}", ROWS, encoding=encoding)
    assert read(path) == ROWS


@pytest.mark.parametrize("padding", ["", "x"])
def test_cp949_is_recognised_where_looking_ends_inside_a_character(padding: str, tmp_path: Path) -> None:
    # 1 MiB of a file is looked at; with one of the two paddings it ends in the middle of a character.
    path = write_csv(tmp_path / "news.csv", [row(date=padding + "가" * 600_000)], encoding="cp949")
    assert "encoded in CP949" in error_of(path).found


def test_cp949_is_recognised_where_only_late_rows_are_korean(tmp_path: Path) -> None:
    rows = [row(document="ascii", summary="ascii", category="")] * 150_000
    path = write_csv(tmp_path / "news.csv", [*rows, row()], encoding="cp949")
    assert "encoded in CP949" in error_of(path).found


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_bytes_of_no_known_encoding_are_refused(kind: str, tmp_path: Path) -> None:
    path = WRITERS[kind](tmp_path / f"news.{kind}", [row()])
    path.write_bytes(path.read_bytes().replace("버스".encode(), b"\xff\xff\xfe"))
    assert "neither in UTF-8 nor in CP949" in error_of(path).found


def test_parquet_with_broken_text_is_refused(tmp_path: Path) -> None:
    broken = pa.array([b"\xff\xfe", b"a"]).view(pa.string())
    path = tmp_path / "news.parquet"
    pq.write_table(pa.table({"document": broken, "summary": ["a", "b"]}), path)
    assert "encoded neither" in error_of(path).found


def test_parquet_dictionaries_and_missing_values_become_text(tmp_path: Path) -> None:
    table = pa.table(
        {
            "document": pa.array([ARTICLE, None]),
            "summary": pa.array([SUMMARY, SUMMARY]).dictionary_encode(),
            "date": pa.array([20260101, None]),
        }
    )
    pq.write_table(table, tmp_path / "news.parquet")
    assert read(tmp_path / "news.parquet") == [
        row(category="", date="20260101"),
        row(category="", document=""),
    ]


def test_numbers_in_place_of_an_article_are_refused(tmp_path: Path) -> None:
    error = error_of(write_parquet(tmp_path / "news.parquet", [{"document": 3, "summary": "a"}]))
    assert "int64 in the column 'document'" in error.found
    error = error_of(write_jsonl(tmp_path / "news.jsonl", [row(), {"document": 3, "summary": "a"}]))
    assert "line 2" in error.found
    assert "int" in error.found


def test_damaged_files_are_refused_with_the_place(tmp_path: Path) -> None:
    (tmp_path / "news.csv").write_text("document,summary\na,b\na,b,c\n")
    assert "Expected 2 columns, got 3" in error_of(tmp_path / "news.csv").found
    (tmp_path / "news.jsonl").write_text('{"document": "a", "summary": "b"}\n\n{"document": "a"\n')
    assert "line 3" in error_of(tmp_path / "news.jsonl").found
    (tmp_path / "list.jsonl").write_text('["a", "b"]\n')
    assert "line 1" in error_of(tmp_path / "list.jsonl").found
    whole = write_parquet(tmp_path / "news.parquet", ROWS).read_bytes()
    (tmp_path / "half.parquet").write_bytes(whole[: len(whole) // 2])
    assert "cannot be read as PARQUET" in error_of(tmp_path / "half.parquet").found


def test_lone_surrogate_in_json_becomes_the_mark_of_a_lost_character(tmp_path: Path) -> None:
    (tmp_path / "news.jsonl").write_text(
        r'{"document": "\ud55c\ud800 \ud83d\ude00", "summary": "\udc00"}' + "\n"
    )
    assert read(tmp_path / "news.jsonl") == [row(category="", document="한\ufffd 😀", summary="\ufffd")]


def test_columns_are_those_of_the_public_data_set() -> None:
    assert COLUMNS == ("date", "category", "press", "title", "document", "link", "summary")
