"""Bring rows of any source to the workshop's columns: what a column may be called, its values as text."""

import math
import re
import unicodedata
from collections.abc import Sequence
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from workshop.errors import WorkshopError
from workshop.news.table import COLUMNS

if TYPE_CHECKING:
    import pyarrow as pa

# What a data set cannot do without; the other columns are empty text where a source lacks them.
REQUIRED_COLUMNS = ("document", "summary")
_MOST_CHARACTERS = 60  # of a name in an error; what is longer is no name
# Korean headers that mean one thing only, without their blanks. 내용 and 텍스트 may be either text: not here.
KOREAN_NAMES = {
    "본문": "document",
    "기사": "document",
    "기사본문": "document",
    "뉴스본문": "document",
    "요약": "summary",
    "요약문": "summary",
    "기사요약": "summary",
    "제목": "title",
    "기사제목": "title",
    "날짜": "date",
    "일자": "date",
    "언론사": "press",
    "신문사": "press",
    "분야": "category",
    "카테고리": "category",
    "링크": "link",
    "url": "link",
}


def find_columns(names: Sequence[str], where: str) -> dict[str, int]:
    """Return the position of each of COLUMNS that a source has.

    A name counts as it stands; else without case, blanks and byte order mark; else in Korean.

    Raises:
        WorkshopError: two columns could be the same one.
    """
    found = {}
    readings = (lambda name: name, _plain, lambda name: KOREAN_NAMES.get(_plain(name)))
    for column in COLUMNS:
        for reading in readings:
            positions = [position for position, name in enumerate(names) if reading(name) == column]
            if len(positions) > 1:
                same = " and ".join(f"{names[position]!r} (column {position + 1})" for position in positions)
                raise WorkshopError(
                    found=f"{len(positions)} columns for {column} in {where}: {same}",
                    expected=f"one column {column!r}",
                    next_step=f"delete or rename all of them but the one that holds the {column}",
                )
            if positions:
                found[column] = positions[0]
                break
    return found


def check_columns(found: Sequence[str], where: str) -> dict[str, int]:
    """Make sure that the required columns are there, and return where each is.

    Raises:
        WorkshopError: names the missing columns, those that were found, and the likely misspelling.
    """
    positions = find_columns(found, where)
    missing = [name for name in REQUIRED_COLUMNS if name not in positions]
    if not missing:
        return positions
    close = get_close_matches(missing[0], found, n=1)
    others = [name for name in COLUMNS if name not in REQUIRED_COLUMNS]
    next_step = f"rename {close[0]!r} to {missing[0]!r}" if close else "rename the columns that hold them"
    if any(len(name) > _MOST_CHARACTERS for name in found):
        next_step = "write the names of the columns into the first row: what stands there is text"
    shown = [name if len(name) <= _MOST_CHARACTERS else f"{name[:_MOST_CHARACTERS]}…" for name in found[:20]]
    raise WorkshopError(
        found=f"the columns {', '.join(shown) or '(none)'} in {where}",
        expected=f"{' and '.join(missing)} as well (and where known {', '.join(others)})",
        next_step=next_step,
    )


@lru_cache(maxsize=1_000)
def keys_of(names: tuple[str, ...], where: str) -> dict[str, str]:
    """Return the key of each of COLUMNS in a row with these keys.

    Raises:
        WorkshopError: two keys could be the same column.
    """
    return {column: names[position] for column, position in find_columns(names, where).items()}


def value_as_text(value: Any) -> str | None:
    """Return a simple value as text; None for a list or an object, which are none.

    A missing value is empty text, and so is NaN, which is how pandas calls it. pandas also makes
    20260101.0 of a whole number in a column with gaps: it is whole again.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        if math.isnan(value):
            return ""
        return str(int(value)) if value.is_integer() else str(value)
    if isinstance(value, list | dict):
        return None
    return "" if value is None else str(value)


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
        WorkshopError: a column holds something that is not text (lists, numbers for an article, ...), or
            two could be the same.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    positions = find_columns(batch.schema.names, where)
    columns = []
    for name in COLUMNS:
        if name not in positions:
            columns.append(pa.array([""] * batch.num_rows, pa.large_string()))
            continue
        column = batch.column(positions[name])
        if isinstance(column, pa.DictionaryArray):
            column = column.dictionary_decode()
        if pa.types.is_floating(column.type):
            column = _numbers_as_text(column, is_required=name in REQUIRED_COLUMNS)
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


def _numbers_as_text(column: "pa.Array", is_required: bool) -> "pa.Array":
    """Return numbers as the text that `value_as_text` makes of each; of a required column they stay."""
    import pyarrow as pa

    values = [value_as_text(value) or None for value in column.to_pylist()]
    if not any(values):  # nothing but gaps
        return pa.nulls(len(values))
    return column if is_required else pa.array(values, pa.large_string())


def _plain(name: str) -> str:
    """Return a name without case, blanks and byte order mark, composed as Windows and Linux write it."""
    return re.sub(r"[\s\ufeff]+", "", unicodedata.normalize("NFC", name)).casefold()
