"""Read a file of news, batch by batch, with an error a person can act on."""

import csv
import lzma
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from workshop.errors import WorkshopError
from workshop.news.columns import REQUIRED_COLUMNS, check_columns, with_all_columns
from workshop.news.csv_file import read_csv
from workshop.news.encodings import (
    COMPRESSIONS,
    encoding_error,
    is_compressed,
    kind_of,
    open_bytes,
    open_text,
    refuse_other_programs,
)
from workshop.news.json_file import read_json

if TYPE_CHECKING:
    import pyarrow as pa

# .txt is what Excel names its "Unicode text".
EXTENSIONS = (".csv", ".jsonl", ".parquet", ".json", ".tsv", ".txt")
_WORKBOOKS = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".cell")
_BATCH_ROWS = 1_000
_CHARACTERS_TO_LOOK_AT = 256
_START_OF_JSON = re.compile(r'\s*(?:\[\s*)?\{\s*"')


def is_news_file(path: Path) -> bool:
    """Say whether a file has a name that `read_file` reads; of a compressed Parquet file it has not."""
    return kind_of(path) in EXTENSIONS and not (kind_of(path) == ".parquet" and is_compressed(path))


def read_file(path: Path) -> Iterator["pa.RecordBatch"]:
    """Read a news file as batches of text columns, in the file's order.

    Args:
        path: with at least the columns `document` and `summary`; of the others, those in COLUMNS are read.
            .csv, .tsv and .txt: separated by commas, tabs, semicolons or bars, as the header shows.
            .json and .jsonl: one object a line, an array of objects, or an object around such an array.
            .parquet. Text is UTF-8, with or without byte order mark, or UTF-16; each text file may be
            compressed (.gz, .bz2, .xz).

    Returns:
        Batches with all of COLUMNS as text; empty text where the file has no value.

    Raises:
        WorkshopError: unknown extension, empty or unreadable file, wrong encoding, missing column, or a
            column that does not hold text.
    """
    if not is_news_file(path):
        is_workbook = kind_of(path) in _WORKBOOKS
        raise WorkshopError(
            found=f"{path} with the extension {path.suffix or '(none)'!r}",
            expected=f"one of {', '.join(EXTENSIONS)}; those of text also with {', '.join(COMPRESSIONS)}",
            next_step="save it in Excel as 'CSV UTF-8 (*.csv)' and give that file as news_source"
            if is_workbook
            else "save the rows in one of these formats",
        )
    if path.stat().st_size == 0:
        raise _no_rows(f"{path} is empty")
    num_rows = 0
    with _file_errors(path):
        refuse_other_programs(path)
        for batch in _reader_of(path)(path):
            num_rows += batch.num_rows
            yield batch
    if not num_rows:
        raise _no_rows(f"{path} has no rows")


def _reader_of(path: Path):
    with open_bytes(path) as file:
        is_parquet = file.read(4) == b"PAR1"
    if is_parquet or kind_of(path) == ".parquet":
        return _read_parquet
    with open_text(path) as file:
        is_json = _START_OF_JSON.match(file.read(_CHARACTERS_TO_LOOK_AT))
    return read_json if is_json or kind_of(path) in (".json", ".jsonl") else read_csv


def _read_parquet(path: Path) -> Iterator["pa.RecordBatch"]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 16) as file:
        all_names = file.schema_arrow.names
        names = [all_names[position] for position in check_columns(all_names, str(path)).values()]
        for batch in file.iter_batches(_BATCH_ROWS, columns=names, use_threads=False):
            yield with_all_columns(batch, str(path))


@contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    """Turn what the readers raise into what was found, what was expected and what to do."""
    import pyarrow as pa

    kind = kind_of(path).removeprefix(".").upper()
    try:
        yield
    except UnicodeDecodeError:
        raise encoding_error(path) from None
    except (EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        if not is_compressed(path) or (isinstance(error, OSError) and error.errno is not None):
            raise
        raise WorkshopError(
            found=f"{path} cannot be unpacked ({str(error)[:200]})",
            expected=f"a whole file, compressed as {path.suffix} says",
            next_step="copy or download it again; if it is not compressed, take the ending from its name",
        ) from None
    except (pa.ArrowInvalid, csv.Error, RecursionError) as error:
        message = str(error)
        if "UTF8" in message or "UTF-8" in message:
            raise encoding_error(path) from None
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
