"""CSV as the programs of offices write it."""

import csv
from pathlib import Path

import pyarrow as pa
import pytest

from workshop.news import csv_file
from workshop.news.clean import clean
from workshop.news.load import load

from .conftest import ARTICLE, SUMMARY, article, error_of, read, row

TRICKY = row(
    document='탭\t과 쉼표, 쌍반점; 막대| "따옴표"\r\n둘째 줄', title="한글 제목", date="46023", category="NA"
)


def write(path: Path, cells: list[list[str]], encoding: str = "utf-8", **how: str) -> Path:
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, **how).writerows(cells)
    return path


def cells_of(*rows: dict[str, str]) -> list[list[str]]:
    return [list(rows[0]), *(list(row.values()) for row in rows)]


@pytest.mark.parametrize("separator", [",", "\t", ";", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", ["news.csv", "news.tsv", "news.txt", "NEWS.CSV"])
def test_separator_is_seen_in_the_header(separator: str, encoding: str, name: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, cells_of(TRICKY, row()), encoding, delimiter=separator)
    assert read(path) == [TRICKY, row()]


def test_excels_unicode_text_is_read(tmp_path: Path) -> None:
    # As Excel writes it: little-endian with a mark, tabs, CR LF, quotation marks only where needed.
    path = write(tmp_path / "news.txt", cells_of(TRICKY), "utf-16", dialect="excel-tab")
    assert path.read_bytes().startswith(b"\xff\xfed\x00a\x00t\x00e\x00\t\x00")
    assert read(path) == [TRICKY]


@pytest.mark.parametrize("line", ["sep=;\r\n", '"sep=;"\n', "\ufeffsep=;\r\n"])
def test_line_that_tells_excel_the_separator_is_skipped(line: str, tmp_path: Path) -> None:
    path = tmp_path / "news.csv"
    path.write_text(f"{line}document;summary\r\n{ARTICLE};{SUMMARY}\r\n", encoding="utf-8", newline="")
    assert read(path) == [row(category="")]


@pytest.mark.parametrize("above", ["\n\n", ",,\n", "2026년 1분기 기사,,\n,,\n", '"제목 줄,\n둘째",,\n'])
def test_title_and_blank_rows_above_the_header_are_skipped(above: str, tmp_path: Path) -> None:
    path = tmp_path / "news.csv"
    path.write_text(f'{above}document,summary,"비고\n란"\n"{ARTICLE}","{SUMMARY}",x\n', encoding="utf-8")
    assert read(path) == [row(category="")]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_line_ends_of_every_system_are_read(line_end: str, tmp_path: Path) -> None:
    path = write(tmp_path / "news.csv", cells_of(TRICKY, row()), lineterminator=line_end)
    assert read(path) == [TRICKY, row()]


def test_line_ends_of_windows_inside_a_cell_are_tidied_by_cleaning(tmp_path: Path) -> None:
    document = f"{ARTICLE}\r\n{ARTICLE}"
    path = write(tmp_path / "a.csv", cells_of(*(row(document=f"{n} {document}") for n in range(3))))
    kept = clean(load(str(path), "full")).splits
    assert (
        sorted(text[2:] for rows in kept.values() for text in rows["document"])
        == [f"{ARTICLE}\n{ARTICLE}"] * 3
    )


def test_empty_and_repeated_columns_that_are_not_read_do_no_harm(tmp_path: Path) -> None:
    cells = [["document", "비고", "summary", "비고", "", ""], [ARTICLE, "a", SUMMARY, "b", "", ""]]
    assert read(write(tmp_path / "news.csv", cells)) == [row(category="")]


def test_two_columns_of_one_name_are_refused_and_the_advice_works(tmp_path: Path) -> None:
    cells = [["document", "summary", "document"], [ARTICLE, SUMMARY, "다른 글"]]
    error = error_of(write(tmp_path / "news.csv", cells))
    assert "2 columns for document" in error.found
    assert "'document' (column 1) and 'document' (column 3)" in error.found
    cells[0][2] = "other"
    assert read(write(tmp_path / "news.csv", cells)) == [row(category="")]


@pytest.mark.parametrize("megabytes", [1, 3, 20])
def test_row_of_many_megabytes_is_read_once_and_in_its_place(megabytes: int, tmp_path: Path) -> None:
    rows = [row(document=article(number)) for number in range(2_000)]
    rows.insert(1_500, row(document="가" * (megabytes * 1_000_000 // 3)))
    rows.insert(200, row(document='"\n' * (megabytes * 1_000_000 // 3)))
    assert read(write(tmp_path / "news.csv", cells_of(*rows))) == rows


def test_row_beyond_the_longest_block_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_file, "_BLOCK_BYTES", (1 << 12, 1 << 14))
    rows = [row()] * 50 + [row(document="가" * 40_000)]
    assert "after row " in error_of(write(tmp_path / "news.csv", cells_of(*rows))).found


def test_row_beyond_the_longest_block_is_told_from_an_open_quotation_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_file, "_BLOCK_BYTES", (1 << 12, 1 << 14))
    path = tmp_path / "news.csv"
    path.write_text(f'document,summary\n{ARTICLE},"요약\n' + f"{ARTICLE},{SUMMARY}\n" * 200, encoding="utf-8")
    assert "quotation mark that is not closed, in the row in line 2 of" in error_of(path).found


@pytest.mark.parametrize("num_rows_after", [1, 20_000])
@pytest.mark.parametrize("damaged", ['"{article},요약', '{article},"요약'])
def test_open_quotation_mark_is_refused_with_its_line(
    damaged: str, num_rows_after: int, tmp_path: Path
) -> None:
    # Otherwise all rows below it are one cell, and the last column takes it without a word.
    path = tmp_path / "news.csv"
    good = f'"{ARTICLE}\n둘째 줄",{SUMMARY}\n'
    text = f"document,summary\n{good}{damaged.format(article=ARTICLE)}\n"
    path.write_text(text + f"{ARTICLE},{SUMMARY}\n" * num_rows_after, encoding="utf-8")
    error = error_of(path)
    assert "quotation mark that is not closed" in error.found
    assert "line 4" in error.found
    path.write_text(text.replace(f"{damaged.format(article=ARTICLE)}\n", ""), encoding="utf-8")
    assert len(read(path)) == 1


def test_quotation_mark_inside_a_cell_is_text(tmp_path: Path) -> None:
    path = tmp_path / "news.csv"
    path.write_text(f'document,summary\n{ARTICLE} 27" 화면,{SUMMARY}\n', encoding="utf-8")
    assert read(path) == [row(category="", document=f'{ARTICLE} 27" 화면')]


def test_row_with_other_cells_than_the_header_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "news.csv"
    path.write_text('title,document,summary\n"a\nb",c,d\n\ne,f\n', encoding="utf-8")
    error = error_of(path)
    assert "Expected 3 columns, got 2 in line 5" in error.found
    assert "add the missing ','" in error.next_step
    path.write_text("document;summary\na;b\nc;d;e\n", encoding="utf-8")
    error = error_of(path)
    assert "got 3 in line 3" in error.found
    assert "cell that contains ';' in quotation marks" in error.next_step
    path.write_text('document;summary\na;b\n"c;d";e\n', encoding="utf-8")
    assert len(read(path)) == 2


def test_limit_of_pythons_reader_is_left_as_it_was(tmp_path: Path) -> None:
    before = csv.field_size_limit(131_072)
    try:
        read(write(tmp_path / "news.csv", cells_of(row(document="가" * 200_000))))
        assert csv.field_size_limit() == 131_072
    finally:
        csv.field_size_limit(before)


def test_parquet_under_another_name_is_read(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist([row()]), tmp_path / "news.csv")
    assert read(tmp_path / "news.csv") == [row()]
