"""Read CSV and its relatives: tabs or semicolons, UTF-8 or UTF-16, whatever program wrote them."""

import csv
import io
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workshop.errors import WorkshopError
from workshop.news.columns import REQUIRED_COLUMNS, check_columns, find_columns, with_all_columns
from workshop.news.encodings import encoding_of, open_bytes, open_text

if TYPE_CHECKING:
    import pyarrow as pa

# A row must fit into a block. Streaming by blocks keeps the memory of reading at about two of them; only a
# file with a longer row is read again in longer ones.
_BLOCK_BYTES = (2 << 20, 16 << 20, 128 << 20)
_SEPARATORS = (",", "\t", ";", "|")
# Rows that may stand above the header: a title, blanks, the "sep=;" that Excel is told the separator by.
_ROWS_TO_LOOK_AT = 10
_END = "end of the file"


@dataclass(frozen=True, kw_only=True)
class _Header:
    names: list[str]
    separator: str
    num_lines: int
    positions: dict[str, int]


def read_csv(path: Path) -> Iterator["pa.RecordBatch"]:
    """Read a file of rows with a separator, as batches of COLUMNS.

    The separator is the one by which the header names the required columns; no two can. Where a row is
    longer than a block, reading starts again with longer blocks and leaves out what it gave already.

    Raises:
        WorkshopError: a missing column or two of a name, a row with other cells than the header, a
            quotation mark that is not closed.
    """
    import pyarrow as pa

    header = _read_header(path)
    if header is None:
        return
    num_given = 0
    for block_bytes in _BLOCK_BYTES:
        num_to_skip = num_given
        try:
            for batch in _batches(path, header, block_bytes):
                rows = batch.slice(min(num_to_skip, batch.num_rows))
                num_to_skip -= batch.num_rows - rows.num_rows
                num_given += rows.num_rows
                if rows.num_rows:
                    yield with_all_columns(rows, str(path))
            return
        except pa.ArrowInvalid as error:
            if "straddl" not in str(error):
                raise _row_error(path, header, error) from None
        _check_quotation_marks(path, header)
    raise WorkshopError(
        found=f"a row of more than {_BLOCK_BYTES[-1] >> 20} MiB after row {num_given:,} of {path}",
        expected="one article and its summary in a row",
        next_step="look for a quotation mark or a line end that is missing there",
    )


def _batches(path: Path, header: _Header, block_bytes: int) -> Iterator["pa.RecordBatch"]:
    import pyarrow as pa
    import pyarrow.csv as pa_csv

    encoding = encoding_of(path)
    # Names of our own: those of the file may be empty or repeated where they are not read.
    names = [f"column {position}" for position in range(len(header.names))]
    for name, position in header.positions.items():
        names[position] = name
    with open_bytes(path) as raw:
        file = _CountingQuotationMarks(raw)
        reader = pa_csv.open_csv(
            file,
            read_options=pa_csv.ReadOptions(
                block_size=block_bytes,
                use_threads=False,
                skip_rows=header.num_lines,
                column_names=names,
                encoding="utf8" if encoding == "utf-8-sig" else encoding,
            ),
            parse_options=pa_csv.ParseOptions(newlines_in_values=True, delimiter=header.separator),
            convert_options=pa_csv.ConvertOptions(
                include_columns=list(header.positions),
                column_types=dict.fromkeys(header.positions, pa.large_string()),
            ),
        )
        yield from reader
        if file.num_marks % 2 or encoding != "utf-8-sig":
            _check_quotation_marks(path, header)


class _CountingQuotationMarks(io.RawIOBase):
    """Count on the way what tells that a quotation mark may not be closed: an odd number of them."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.num_marks = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.num_marks += data.count(b'"')
        return data


def _read_header(path: Path) -> _Header | None:
    """Find the header: the first row, or one a little below, that names the required columns; None if empty.

    Raises:
        WorkshopError: there is none; the columns of the first row are named.
    """
    first_rows = []
    for separator in _SEPARATORS:
        with open_text(path, newline="") as file, _long_cells():
            reader = csv.reader(file, delimiter=separator)
            rows = [(row, reader.line_num) for row in islice(reader, _ROWS_TO_LOOK_AT) if any(row)]
        for row, num_lines in rows:
            positions = find_columns(row, str(path)) if _names_required(row, path) else {}
            if positions:
                return _Header(
                    names=row,
                    separator=separator,
                    num_lines=num_lines,
                    positions=positions,
                )
        first_rows += [row for row, _ in rows[:1]]
    if first_rows:
        check_columns(max(first_rows, key=len), str(path))
    return None


def _names_required(row: list[str], path: Path) -> bool:
    return set(REQUIRED_COLUMNS) <= set(find_columns(row, str(path)))


def _row_error(path: Path, header: _Header, error: Exception) -> Exception:
    """Make the error for a row with more or fewer cells than the header; other errors stay."""
    counts = re.search(r"Expected (\d+) columns, got (\d+)", str(error))
    if not counts:
        return error
    expected, got = map(int, counts.groups())
    _check_quotation_marks(path, header)
    place = _first_row_with_other_cells(path, header)
    if got > expected:
        next_step = (
            f"put the cell that contains {header.separator!r} in quotation marks; or open the file in the "
            "program that wrote it and save it again"
        )
    else:
        # Source: Microsoft's article "Column delimiters are missing in an Excel spreadsheet saved as text".
        next_step = (
            f"add the missing {header.separator!r}; where Excel left the ends of many rows out, add a last "
            "column with a value in every row and save again"
        )
    return WorkshopError(
        found=f"{path} cannot be read as CSV (Expected {expected} columns, got {got}{place})",
        expected=f"as many cells in every row as in the header, with {header.separator!r} between them",
        next_step=next_step,
    )


def _first_row_with_other_cells(path: Path, header: _Header) -> str:
    with _rows_with_lines(path, header) as rows:
        for row, first_line in rows:
            if row and len(row) != len(header.names):
                return f" in line {first_line:,}"
    return ""


def _check_quotation_marks(path: Path, header: _Header) -> None:
    """Make sure that the last cell ends: all rows below an open quotation mark would be part of it.

    Raises:
        WorkshopError: names the line in which the row with the open mark begins.
    """
    with _rows_with_lines(path, header) as rows:
        for row, first_line in rows:
            last = row, first_line
    row, first_line = last
    if row != [_END]:
        raise WorkshopError(
            found=f"a quotation mark that is not closed, in the row in line {first_line:,} of {path}",
            expected='a cell in quotation marks to end in one; a mark inside it is written twice, ""',
            next_step=f"correct line {first_line:,}, or save the file again in the program that wrote it",
        )


@contextmanager
def _rows_with_lines(path: Path, header: _Header) -> Iterator[Iterator[tuple[list[str], int]]]:
    """Give the rows below the header and the line in which each begins; the last is _END alone.

    It is where a quotation mark is open that _END is not a row of its own.
    """
    with open_text(path, newline="") as file, _long_cells():
        for _ in range(header.num_lines):
            file.readline()
        reader = csv.reader(chain(file, ["\n", _END]), delimiter=header.separator)

        def rows() -> Iterator[tuple[list[str], int]]:
            first_line = header.num_lines + 1
            for row in reader:
                yield row, first_line
                first_line = header.num_lines + reader.line_num + 1

        yield rows()


@contextmanager
def _long_cells() -> Iterator[None]:
    """Let Python's reader take cells of more than its usual 131,072 characters."""
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)
