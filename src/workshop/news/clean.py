"""Clean every row, give it its identity, and set aside the rows that are unfit, with the reason."""

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from workshop.news.checks import BROKEN, DUPLICATE, is_broken, problem_of
from workshop.news.table import News
from workshop.news.text import CHANGES, changes_of, clean_text

if TYPE_CHECKING:
    import pandas as pd

_TEXT_COLUMNS = ("category", "press", "title", "document", "summary")
# So many rows are Python text at a time; the tables themselves stay Arrow's.
_BATCH_ROWS = 2_000


def clean(news: News) -> News:
    """Clean and check all rows; cleaning again changes nothing.

    What `clean_text` repairs is counted, not rejected (decomposed Hangul, for instance). Rejected are rows
    that `problem_of` names, and rows with the same article as an earlier row of their split. Rejected rows
    are kept as they were found.

    Returns:
        News whose kept rows have an `id` as well: 16 hexadecimal digits of a hash of article and summary,
        the same for the same text wherever it comes from.
    """
    reasons: dict[str, dict[int, str]] = {}
    cleaned: dict[str, pd.DataFrame] = {}
    changes = {change: dict.fromkeys(news.splits, 0) for change in CHANGES}
    for split, rows in news.splits.items():
        cleaned[split], reasons[split], found = _clean_split(rows)
        for position, row_changes in found.items():
            if position not in reasons[split]:
                for change in row_changes:
                    changes[change][split] += 1
    news = news.reject(reasons)
    splits = {}
    for split, rows in cleaned.items():
        keep = [position for position in range(len(rows)) if position not in reasons[split]]
        splits[split] = rows if len(keep) == len(rows) else rows.iloc[keep].reset_index(drop=True)
    news = replace(news, splits=splits)
    for change, num_rows in changes.items():
        news = news.changed(change, num_rows)
    return news


def row_id(document: str, summary: str) -> str:
    """Return the identity of a cleaned row: 16 hexadecimal digits, a function of its text alone."""
    text = f"{document}\0{summary}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=8).hexdigest()


def _clean_split(rows: "pd.DataFrame") -> tuple["pd.DataFrame", dict[int, str], dict[int, set[str]]]:
    """Return the cleaned rows, the reason of each unfit one and the changes made, both by position."""
    new_texts: dict[str, dict[int, str]] = {column: {} for column in _TEXT_COLUMNS}
    reasons: dict[int, str] = {}
    changes: dict[int, set[str]] = {}
    ids: list[str] = []
    seen: set[bytes] = set()
    for start in range(0, len(rows), _BATCH_ROWS):
        batch = rows.iloc[start : start + _BATCH_ROWS]
        texts = {column: batch[column].tolist() for column in _TEXT_COLUMNS}
        for offset in range(len(batch)):
            position = start + offset
            row = {}
            is_damaged = False
            for column in _TEXT_COLUMNS:
                text = texts[column][offset]
                row[column] = clean_text(text)
                if row[column] != text:
                    new_texts[column][position] = row[column]
                    changes.setdefault(position, set()).update(changes_of(text))
                    # Cleaning takes control characters away, and with them the marks of mojibake.
                    is_damaged |= column in ("document", "summary") and is_broken(text)
            document, summary = row["document"], row["summary"]
            ids.append(row_id(document, summary))
            reason = BROKEN if is_damaged else problem_of(document, summary)
            digest = hashlib.blake2b(document.encode("utf-8", "surrogatepass"), digest_size=16).digest()
            if reason is None and digest in seen:
                reason = DUPLICATE
            seen.add(digest)
            if reason is not None:
                reasons[position] = reason
    return _with_texts(rows, new_texts).assign(id=ids), reasons, changes


def _with_texts(rows: "pd.DataFrame", new_texts: dict[str, dict[int, str]]) -> "pd.DataFrame":
    rows = rows.copy(deep=False)  # columns without changes stay shared
    for name, texts in new_texts.items():
        if texts:
            column = rows[name].copy()
            column.iloc[list(texts)] = list(texts.values())
            rows[name] = column
    return rows
