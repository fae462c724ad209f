"""Read news from CSV, JSONL and Parquet files, batch by batch, with an error a person can act on."""

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from workshop.errors import WorkshopError
from workshop.news.table import COLUMNS

if TYPE_CHECKING:
    import pyarrow as pa

EXTENSIONS = (".csv", ".jsonl", ".parquet")
# What a data set cannot do without; the other columns are empty text where a file lacks them.
REQUIRED_COLUMNS = ("document", "summary")
# A row must fit into a block. Streaming by blocks keeps the memory of reading at about two of them.
_CSV_BLOCK_BYTES = 2 << 20
_BATCH_ROWS = 1_000

_BYTES_TO_LOOK_AT = 1 << 20


def read_file(path: Path) -> Iterator["pa.RecordBatch"]:
    """Read a news file as batches of text columns, in the file's order.

    Args:
        path: a .csv (UTF-8, with or without byte order mark), .jsonl or .parquet file with at least the
            columns `document` and `summary`; of the others, those in COLUMNS are read.

    Returns:
        Batches with all of COLUMNS as text; empty text where the file has no value.

    Raises:
        WorkshopError: unknown extension, empty or unreadable file, wrong encoding, missing column, or a
            column that does not hold text.
    """
    readers = {".csv": _read_csv, ".jsonl": _read_jsonl, ".parquet": _read_parquet}
    if path.suffix.lower() not in readers:
        raise WorkshopError(
            found=f"{path} with the extension {path.suffix or '(none)'!r}",
            expected=f"one of {', '.join(EXTENSIONS)}",
            next_step="save the rows in one of these formats",
        )
    if path.stat().st_size == 0:
        raise _no_rows(f"{path} is empty")
    num_rows = 0
    with _file_errors(path):
        for batch in readers[path.suffix.lower()](path):
            num_rows += batch.num_rows
            yield batch
    if not num_rows:
        raise _no_rows(f"{path} has no rows")


def text_batch(rows: list[dict[str, str]]) -> "pa.RecordBatch":
    """Make a batch of COLUMNS from rows of text.

    A lone surrogate, which no file can hold, becomes U+FFFD: cleaning rejects the row as broken.
    """
    import pyarrow as pa

    columns = []
    for name in COLUMNS:
        values = [row.get(name) or "" for row in rows]
        try:
            columns.append(pa.array(values, pa.large_string()))
        except UnicodeEncodeError:
            whole = [value.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for value in values]
            columns.append(pa.array(whole, pa.large_string()))
    return pa.RecordBatch.from_arrays(columns, names=list(COLUMNS))


def with_all_columns(batch: "pa.RecordBatch", where: str) -> "pa.RecordBatch":
    """Bring a batch of any text-like columns to COLUMNS, as text.

    Raises:
        WorkshopError: a column holds something that is not text (lists, numbers for an article, ...).
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = []
    for name in COLUMNS:
        if name not in batch.schema.names:
            columns.append(pa.array([""] * batch.num_rows, pa.large_string()))
            continue
        column = batch.column(name)
        if isinstance(column, pa.DictionaryArray):
            column = column.dictionary_decode()
        is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        is_text = is_text or pa.types.is_string_view(column.type) or pa.types.is_null(column.type)
        if (name in REQUIRED_COLUMNS and not is_text) or pa.types.is_nested(column.type):
            raise WorkshopError(
                found=f"values of the type {column.type} in the column {name!r} of {where}",
                expected="text",
                next_step="convert the column to text and save the file again",
            )
        column = column.cast(pa.large_string())
        column.validate(full=True)
        columns.append(pc.fill_null(column, "") if column.null_count else column)
    return pa.RecordBatch.from_arrays(columns, names=list(COLUMNS))


def check_columns(found: list[str], where: str) -> None:
    """Make sure that the required columns are there.

    Raises:
        WorkshopError: names the missing columns, those that were found, and the likely misspelling.
    """
    missing = [name for name in REQUIRED_COLUMNS if name not in found]
    if not missing:
        return
    close = get_close_matches(missing[0], found, n=1)
    others = [name for name in COLUMNS if name not in REQUIRED_COLUMNS]
    hint = f"rename {close[0]!r} to {missing[0]!r}" if close else "rename the columns that hold them"
    raise WorkshopError(
        found=f"the columns {', '.join(found) or '(none)'} in {where}",
        expected=f"{' and '.join(missing)} as well (and where known {', '.join(others)})",
        next_step=hint,
    )


def _read_csv(path: Path) -> Iterator["pa.RecordBatch"]:
    import pyarrow as pa
    import pyarrow.csv as pa_csv

    with path.open(encoding="utf-8-sig", newline="") as file:
        header = next(csv.reader(file), [])
    check_columns(header, str(path))
    names = [name for name in COLUMNS if name in header]
    reader = pa_csv.open_csv(
        path,
        read_options=pa_csv.ReadOptions(block_size=_CSV_BLOCK_BYTES, use_threads=False),
        parse_options=pa_csv.ParseOptions(newlines_in_values=True),
        convert_options=pa_csv.ConvertOptions(
            include_columns=names, column_types=dict.fromkeys(names, pa.large_string())
        ),
    )
    for batch in reader:
        yield with_all_columns(batch, str(path))


def _read_jsonl(path: Path) -> Iterator["pa.RecordBatch"]:
    with path.open(encoding="utf-8-sig") as file:
        numbered = ((number, line) for number, line in enumerate(file, start=1) if not line.isspace())
        rows = (_json_row(line, f"line {number} of {path}") for number, line in numbered)
        is_first = True
        while batch := list(islice(rows, _BATCH_ROWS)):
            if is_first:
                check_columns(list(dict.fromkeys(name for row in batch for name in row)), str(path))
            is_first = False
            yield text_batch(batch)


def _json_row(line: str, where: str) -> dict[str, str]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise WorkshopError(
            found=f"{where} is not JSON ({error.msg} at character {error.colno})",
            expected='one object a line, {"document": "...", "summary": "..."}',
            next_step="correct the line or remove it",
        ) from None
    if not isinstance(row, dict):
        raise WorkshopError(
            found=f"{where} holds a JSON {type(row).__name__}",
            expected="an object with the keys document and summary",
            next_step="write one object a line",
        )
    for name in COLUMNS:
        value = row.get(name)
        if value is None or isinstance(value, str):
            continue
        if name in REQUIRED_COLUMNS or isinstance(value, list | dict):
            raise WorkshopError(
                found=f"{name!r} in {where} is of the type {type(value).__name__}",
                expected="text",
                next_step="write it in quotation marks",
            )
        row[name] = str(value)
    return row


def _read_parquet(path: Path) -> Iterator["pa.RecordBatch"]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 16) as file:
        check_columns(file.schema_arrow.names, str(path))
        names = [name for name in COLUMNS if name in file.schema_arrow.names]
        for batch in file.iter_batches(_BATCH_ROWS, columns=names, use_threads=False):
            yield with_all_columns(batch, str(path))


@contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    """Turn what the readers raise into what was found, what was expected and what to do."""
    import pyarrow as pa

    try:
        yield
    except UnicodeDecodeError:
        raise encoding_error(path) from None
    except (pa.ArrowInvalid, csv.Error) as error:
        message = str(error)
        if "UTF8" in message or "UTF-8" in message:
            raise encoding_error(path) from None
        kind = path.suffix.lower().removeprefix(".").upper()
        first_line = message.splitlines()[0][:200]
        raise WorkshopError(
            found=f"{path} cannot be read as {kind} ({first_line})",
            expected=f"a well-formed {kind} file",
            next_step="open it in the program that wrote it and export it again",
        ) from None


def _no_rows(found: str) -> WorkshopError:
    return WorkshopError(
        found=found,
        expected=f"rows with at least {' and '.join(REQUIRED_COLUMNS)}",
        next_step="check how the file was written and write it again",
    )


def encoding_error(path: Path) -> WorkshopError:
    """Make the error for a file that is not in UTF-8; CP949 and UTF-16 are recognised."""
    with path.open("rb") as file:
        start = file.read(_BYTES_TO_LOOK_AT)
        # ASCII says nothing: the encoding shows where the first other byte is.
        while start.isascii() and (more := file.read(_BYTES_TO_LOOK_AT)):
            start = more
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding, name = "UTF-16", "UTF-16"
    elif _is_cp949(start):
        encoding, name = "CP949", "CP949, the encoding of Korean Windows and of Excel's plain CSV"
    else:
        return WorkshopError(
            found=f"{path} is encoded neither in UTF-8 nor in CP949 or UTF-16",
            expected="UTF-8",
            next_step="find out which program wrote it and export it again as UTF-8",
        )
    converted = path.with_name(f"{path.stem}-utf8{path.suffix}")
    return WorkshopError(
        found=f"{path} is encoded in {name}",
        expected="UTF-8",
        next_step=f"run `iconv -f {encoding} -t UTF-8 '{path}' > '{converted}'` and use {converted.name}; "
        "or save it in Excel as 'CSV UTF-8'",
    )


def _is_cp949(start: bytes) -> bool:
    text = start.decode("cp949", errors="ignore")
    # Where the bytes are cut, one may be left over; bytes of another encoding leave many.
    num_lost = len(start) - len(text.encode("cp949"))
    return num_lost <= 1 and any("가" <= character <= "힣" for character in text)
