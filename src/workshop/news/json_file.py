"""Read JSON, whatever its name: one object a line, an array of them, or an object around that array."""

import json
import re
import shlex
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from workshop.errors import WorkshopError
from workshop.news.columns import REQUIRED_COLUMNS, check_columns, keys_of, text_batch, value_as_text
from workshop.news.encodings import is_compressed, open_text

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 1_000
_CHARACTERS_TO_READ = 1 << 20
_LONGEST_LINE = 16 << 20  # characters that are looked at to see what a file is
_PANDAS_COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz"}
_BLANKS = re.compile(r"[ \t\r\n]*")
_ARRAY_OF_OBJECTS = re.compile(r"\[[ \t\r\n]*\{")


def read_json(path: Path) -> Iterator["pa.RecordBatch"]:
    """Read a file of JSON objects as batches of COLUMNS, in the file's order.

    Raises:
        WorkshopError: not JSON, not objects, two arrays of objects, a missing column, or a value that is
            not text.
    """
    rows = (_text_row(row, where, str(path)) for row, where in _objects(path))
    is_first = True
    while batch := list(islice(rows, _BATCH_ROWS)):
        if is_first:
            check_columns(list(dict.fromkeys(name for names, _ in batch for name in names)), str(path))
        is_first = False
        yield text_batch([texts for _, texts in batch])


def _objects(path: Path) -> Iterator[tuple[Any, str]]:
    """Give each object with its place."""
    with open_text(path) as file:
        line = "\n"
        while line.isspace():
            line = file.readline(_LONGEST_LINE)
        has_more = bool(file.read(1))
    line = line.strip()
    try:
        first = json.loads(line) if line.startswith("{") else None
    except json.JSONDecodeError:
        first = None  # an object on several lines, or damage
    if isinstance(first, dict):
        names = keys_of(tuple(first), str(path))
        _refuse_columns_of_pandas(first, path)
        is_around = any(_is_array_of_objects(value) for value in first.values())
        if set(REQUIRED_COLUMNS) <= set(names) or has_more or not is_around:
            return _lines(path)
    return _values(path) if line.startswith(("[", "{")) else _lines(path)


def _is_array_of_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _refuse_columns_of_pandas(first: dict, path: Path) -> None:
    """Refuse what `to_json` writes unless told otherwise: columns, which cannot be read row by row.

    The command that the error names keeps the original beside under a name that nothing reads.
    """
    names = keys_of(tuple(first), str(path))
    kinds = {type(first.get(names.get(column))) for column in REQUIRED_COLUMNS}
    data = first.get("data")
    is_split = "columns" in first and isinstance(data, list) and not _is_array_of_objects(data)
    if not is_split and kinds not in ({dict}, {list}):
        return
    kept = f"{path}.original"
    reading = f"orient={'split' if is_split else 'columns'!r}, dtype=False, convert_dates=False"
    if is_compressed(path):
        reading += f", compression={_PANDAS_COMPRESSIONS[path.suffix.lower()]!r}"
    code = (
        f"import pandas; pandas.read_json({kept!r}, {reading})"
        f".to_json({str(path)!r}, orient='records', lines=True, force_ascii=False)"
    )
    raise WorkshopError(
        found=f"{path}, which holds columns, as pandas' to_json writes them by itself",
        expected='rows, {"document": "...", "summary": "..."}',
        next_step=f"run `mv {shlex.quote(str(path))} {shlex.quote(kept)} && python -c {shlex.quote(code)}` "
        "and the cell again; or write it again with to_json(..., orient='records', lines=True)",
    )


def _lines(path: Path) -> Iterator[tuple[Any, str]]:
    with open_text(path) as file:
        for number, line in enumerate(file, start=1):
            if not line.isspace():
                try:
                    yield json.loads(line), f"line {number} of {path}"
                except json.JSONDecodeError as error:
                    raise _not_json(f"line {number} of {path}", error) from None


def _not_json(where: str, error: json.JSONDecodeError) -> WorkshopError:
    return WorkshopError(
        found=f"{where} is not JSON ({error.msg} at character {error.colno})",
        expected='one object a line, {"document": "...", "summary": "..."}, or one array of such objects',
        next_step="correct the line or remove it",
    )


def _values(path: Path) -> Iterator[tuple[Any, str]]:
    """Give the objects of a file whose values go over lines: one after the other, or in arrays."""
    with open_text(path) as file:
        scanner = _Scanner(file, path)
        while character := scanner.peek():
            if character == "[":
                yield from _elements(scanner)
            elif character == "{":
                yield from _members(scanner)
            else:
                yield scanner.value(), scanner.place


def _elements(scanner: "_Scanner") -> Iterator[tuple[Any, str]]:
    scanner.take("[")
    while scanner.peek() != "]":
        yield scanner.value(), scanner.place
        if scanner.peek() != "]":
            scanner.take(",")
    scanner.take("]")


def _members(scanner: "_Scanner") -> Iterator[tuple[Any, str]]:
    """Give the elements of the one array of objects in an object; without such an array the object itself."""
    scanner.take("{")
    place = scanner.place
    members: dict[str, Any] = {}
    array = None
    while scanner.peek() != "}":
        name = scanner.value()
        scanner.take(":")
        if scanner.is_array_of_objects():
            if array is not None:
                raise WorkshopError(
                    found=f"two arrays of objects, {array!r} and {name!r}, in {scanner.path}",
                    expected="one array, of news",
                    next_step="write each array to a file of its own; if they are the splits, to train.json, "
                    "validation.json and test.json in one folder",
                )
            array = name
            yield from _elements(scanner)
        else:
            members[name] = scanner.value()
        if scanner.peek() != "}":
            scanner.take(",")
    scanner.take("}")
    if array is None:
        _refuse_columns_of_pandas(members, scanner.path)
        yield members, place


class _Scanner:
    """Read JSON values one after the other from a text that is never in memory as a whole."""

    def __init__(self, file: TextIO, path: Path) -> None:
        self.path = path
        self._file = file
        self._text = ""
        self._position = 0
        self._line = 1
        self._is_all = False
        self._value = json.JSONDecoder().raw_decode
        self.place = f"line 1 of {path}"

    def peek(self) -> str:
        """Return the next character that is not blank; "" at the end."""
        while True:
            self._go_to(_BLANKS.match(self._text, self._position).end())
            if self._position < len(self._text):
                return self._text[self._position]
            if self._is_all:
                return ""
            self._read_more()

    def take(self, character: str) -> None:
        """Go past a character that has to come next."""
        if self.peek() != character:
            raise self._error(json.JSONDecodeError(f"Expecting {character!r}", self._text, self._position))
        self._go_to(self._position + 1)

    def value(self) -> Any:
        """Return the next value, and keep the line in which it begins as `place`."""
        self.peek()
        self.place = f"line {self._line} of {self.path}"
        while True:
            try:
                value, end = self._value(self._text, self._position)
            except json.JSONDecodeError as error:
                # A string or a word that is cut where the text read so far ends.
                is_cut = error.msg.startswith("Unterminated") or error.pos >= len(self._text) - 16
                if self._is_all or not is_cut:
                    raise self._error(error) from None
            else:
                if end < len(self._text) or self._is_all:  # 12 may go on as 123
                    self._go_to(end)
                    return value
            self._read_more()

    def is_array_of_objects(self) -> bool:
        """Say whether the next value is one, without going past it."""
        is_array = self.peek() == "["
        while is_array and not self._is_all:
            if _BLANKS.match(self._text, self._position + 1).end() < len(self._text):
                break
            self._read_more()
        return bool(_ARRAY_OF_OBJECTS.match(self._text, self._position))

    def _go_to(self, position: int) -> None:
        self._line += self._text.count("\n", self._position, position)
        self._position = position

    def _read_more(self) -> None:
        rest = self._text[self._position :]
        # As much again as there is: a long value is tried a few times, not once per block.
        more = self._file.read(max(_CHARACTERS_TO_READ, len(rest)))
        self._is_all = not more
        self._text, self._position = rest + more, 0

    def _error(self, error: json.JSONDecodeError) -> WorkshopError:
        line = self._line + self._text.count("\n", self._position, error.pos)
        return _not_json(f"line {line} of {self.path}", error)


def _text_row(row: Any, where: str, path: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the names in a row, and the text of those of COLUMNS that it has."""
    if not isinstance(row, dict):
        raise WorkshopError(
            found=f"{where} holds a JSON {type(row).__name__}",
            expected="an object with the keys document and summary",
            next_step="write one object a line",
        )
    names = tuple(row)
    texts = {}
    for column, name in keys_of(names, path).items():
        value = row[name]
        text = value if isinstance(value, str) else value_as_text(value)
        if text is None or (column in REQUIRED_COLUMNS and text and not isinstance(value, str)):
            raise WorkshopError(
                found=f"{name!r} in {where} is of the type {type(value).__name__}",
                expected="text",
                next_step="write it in quotation marks",
            )
        texts[column] = text
    return names, texts
