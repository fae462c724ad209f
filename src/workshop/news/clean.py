"""Clean every row, give it its identity, and set aside the rows that are unfit, with the reason."""

import hashlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from workshop.news.table import News
from workshop.news.text import CHANGES, changes_of, clean_text

if TYPE_CHECKING:
    import pandas as pd

_TEXT_COLUMNS = ("category", "press", "title", "document", "summary")
# So many rows are Python text at a time; the tables themselves stay Arrow's.
_BATCH_ROWS = 2_000

MIN_DOCUMENT_CHARS = 50
MIN_SUMMARY_CHARS = 10
# Mixed rows are legitimate, an article on chips may be half English names. Below a tenth a text is foreign.
MIN_HANGUL_SHARE = 0.1

NO_DOCUMENT = "empty article"
NO_SUMMARY = "empty summary"
BROKEN = "broken encoding"
SHORT_DOCUMENT = f"article shorter than {MIN_DOCUMENT_CHARS} characters"
SHORT_SUMMARY = f"summary shorter than {MIN_SUMMARY_CHARS} characters"
LONG_SUMMARY = "summary not shorter than its article"
FOREIGN = f"less than {MIN_HANGUL_SHARE:.0%} of the letters are Hangul"
DUPLICATE = "the same article as an earlier row"

_LETTER = re.compile(r"[^\W\d_]")
_HANGUL = re.compile("[가-힣ㄱ-ㆎ\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff\uffa1-\uffdc]")

_LOST = re.compile("[\ufffd\ud800-\udfff]")
# How bytes 0x80 to 0xBF look when read as Latin-1 or Windows-1252.
_CONTINUATION = "[\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]"
# UTF-8 read as Latin-1 or Windows-1252: "안" is "ì•ˆ". After a Latin letter it may be Italian ("così…”").
_UTF8_AS_LATIN = re.compile(f"(?<![A-Za-z])(?:[ê-í]{_CONTINUATION}{{2}}|á[„…†‡]{_CONTINUATION})")
# CP949 read as Latin-1: "안녕" is "¾È³ç". Real text has no four accented characters in a row that all fit.
_CP949_AS_LATIN = re.compile("(?:[°-È][¡-þ]){2,}")
# UTF-8 read as CP949: "안녕하세요" is "?덈뀞?섏꽭??". Such text is full of syllables beyond the 2,350 of
# KS X 1001, which real text hardly has (똠방각하, 펲시).
_RARE_SYLLABLE = re.compile(
    "["
    + "".join(chr(code) for code in range(0xAC00, 0xD7A4) if len(chr(code).encode("euc_kr", "ignore")) != 2)
    + "]"
)
_MIN_RARE_SYLLABLES = 3
# Mojibake has about 0.87; an article with one such sentence 0.3.
_MIN_RARE_SHARE = 0.2


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


def problem_of(document: str, summary: str) -> str | None:
    """Return why a cleaned row is unfit, or None.

    Args:
        document: the article, cleaned.
        summary: its summary, cleaned.
    """
    if not document:
        return NO_DOCUMENT
    if not summary:
        return NO_SUMMARY
    if is_broken(document) or is_broken(summary):
        return BROKEN
    if len(document) < MIN_DOCUMENT_CHARS:
        return SHORT_DOCUMENT
    if len(summary) < MIN_SUMMARY_CHARS:
        return SHORT_SUMMARY
    if len(summary) >= len(document):
        return LONG_SUMMARY
    if _is_foreign(document) or _is_foreign(summary):
        return FOREIGN
    return None


def is_broken(text: str) -> bool:
    """Say whether a text was damaged by a wrong encoding: replaced characters, surrogates, mojibake."""
    if _LOST.search(text) or _UTF8_AS_LATIN.search(text) or _CP949_AS_LATIN.search(text):
        return True
    rare = _RARE_SYLLABLE.findall(text)
    return len(rare) >= _MIN_RARE_SYLLABLES and len(rare) >= _MIN_RARE_SHARE * len(_HANGUL.findall(text))


def _is_foreign(text: str) -> bool:
    num_hangul = len(_HANGUL.findall(text))
    if num_hangul and num_hangul >= MIN_HANGUL_SHARE * len(text):  # of all characters: letters need no count
        return False
    num_letters = len(_LETTER.findall(text))
    return not num_letters or num_hangul / num_letters < MIN_HANGUL_SHARE
