"""Turn chat rows into token ids and labels: only the summary and its end token are trained on."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuning.errors import UserError, disk_full, is_disk_full

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

Conversation = list[dict[str, str]]
Columns = dict[str, list[list[int]]]  # token ids, one list a row

ROLES = ("system", "user", "assistant")
IGNORED = -100  # label of a token that carries no loss
_CHUNK_ROWS = 1000  # tokenised at once: enough for the tokenizer's threads, little to hold
_MAKE_DATA = "run notebook 01-Prepare-Dataset-KR-News, or name another file or folder"


def read_rows(path: str | None, *, name: str, max_rows: int | None = None) -> Iterator[Conversation]:
    """Yield the conversations of a JSONL file or of all `*.jsonl` files in a folder, in name order.

    Whether there is anything to read is checked at once, each line when its turn comes.

    Args:
        path: file or folder.
        name: the setting that gave the path, for the error.
        max_rows: read no more than this many rows.

    Returns:
        For each row its `messages`, the last one from the assistant.

    Raises:
        UserError: when there is nothing to read, or a line is not a conversation.
    """
    if not path or not Path(path).exists():
        raise UserError(
            found=f"{name}: {path}", expected="a JSONL file or a folder of them", next_step=_MAKE_DATA
        )
    files = [Path(path)] if Path(path).is_file() else sorted(Path(path).glob("*.jsonl"))
    rows = islice(chain.from_iterable(map(_read_file, files)), max_rows)
    first = next(rows, None)
    if first is None:
        raise UserError(found=f"no rows in {path}", expected="at least one row", next_step=_MAKE_DATA)
    return chain([first], rows)


def _read_file(file: Path) -> Iterator[Conversation]:
    try:
        with file.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, 1):
                yield _messages(line, f"{file}, line {number}")
    except UnicodeDecodeError:
        raise UserError(
            found=f"{file} is not UTF-8", expected="JSON lines in UTF-8", next_step="save it as UTF-8"
        ) from None


def _messages(line: str, where: str) -> Conversation:
    try:
        messages = json.loads(line)["messages"]
        if messages[-1]["role"] != "assistant" or not messages[-1]["content"].strip():
            raise ValueError
        if any(message["role"] not in ROLES or type(message["content"]) is not str for message in messages):
            raise ValueError
        return [{"role": message["role"], "content": message["content"]} for message in messages]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        raise UserError(
            found=f"{where}: {line[:80]!r}",
            expected='{"messages": [{"role": ..., "content": ...}]}, the last of the assistant and not empty',
            next_step=_MAKE_DATA,
        ) from None


def tokenize(
    tokenizer: PreTrainedTokenizerBase, rows: Iterable[Conversation], *, max_seq_tokens: int, name: str
) -> Dataset:
    """Return a data set with `input_ids` and `labels`, its rows in a file rather than in memory.

    A row is rendered twice by the chat template, with and without the answer, because only the template
    knows where the answer starts. The prompt's ids must be the first ids of the whole.

    Args:
        tokenizer: with a chat template.
        rows: conversations that end with the assistant's message; read once, a thousand at a time.
        max_seq_tokens: the longest row that is accepted.
        name: which rows these are, for the error.

    Raises:
        UserError: for rows that are too long (all are counted, none is dropped) or a template whose prompt
            is not a prefix.
    """
    num_rows = num_long = longest = 0

    def chunks() -> Iterator[Columns]:
        nonlocal num_rows, num_long, longest
        remaining = iter(rows)
        while chunk := list(islice(remaining, _CHUNK_ROWS)):
            columns = _tokenize_chunk(tokenizer, chunk)
            lengths = [len(ids) for ids in columns["input_ids"]]
            num_rows += len(chunk)
            num_long += sum(length > max_seq_tokens for length in lengths)
            longest = max(longest, *lengths)
            yield columns

    data = store(chunks())
    if num_long:
        raise UserError(
            found=f"{num_long} of {num_rows} {name} rows are longer than {max_seq_tokens} tokens"
            f" (longest: {longest})",
            expected="rows that fit: nothing is cut or dropped here",
            next_step="run notebook 01-Prepare-Dataset-KR-News with this base model: it shortens articles",
        )
    return data


def _tokenize_chunk(tokenizer: PreTrainedTokenizerBase, rows: list[Conversation]) -> Columns:
    whole = _encode(tokenizer, rows, add_generation_prompt=False)
    prompts = _encode(tokenizer, [row[:-1] for row in rows], add_generation_prompt=True)
    labels = []
    for ids, prompt in zip(whole, prompts, strict=True):
        if ids[: len(prompt)] != prompt or len(ids) == len(prompt):
            raise UserError(
                found="a prompt whose tokens are not the first tokens of prompt and answer together",
                expected="a chat template whose generation prompt ends on a token boundary",
                next_step="compare the chat template with src/train/chat_template.jinja",
            )
        labels.append([IGNORED] * len(prompt) + ids[len(prompt) :])
    return {"input_ids": whole, "labels": labels}


def _encode(
    tokenizer: PreTrainedTokenizerBase, rows: list[Any], *, add_generation_prompt: bool
) -> list[list[int]]:
    # The template writes the BOS token itself: a second one must not be added.
    texts = tokenizer.apply_chat_template(rows, tokenize=False, add_generation_prompt=add_generation_prompt)
    return tokenizer(texts, add_special_tokens=False)["input_ids"]


def store(chunks: Iterable[Columns]) -> Dataset:
    """Write chunks of rows one after the other and return them as one data set.

    20,000 generated articles (4.5M tokens) take 900 MiB of each process as Python lists, and 60 MiB so,
    as 4,000 do. The file has no name any more: it is gone when the process ends, however it ends.

    Args:
        chunks: columns of lists of ids, all with the same names.

    Raises:
        UserError: when the temporary folder is full.
    """
    import pyarrow as pa
    from datasets import Dataset

    with tempfile.TemporaryDirectory(prefix="tokens-") as folder:
        path = Path(folder) / "rows.arrow"
        try:
            writer = None
            with pa.OSFile(str(path), "wb") as file:
                for columns in chunks:
                    table = pa.table(
                        {name: pa.array(values, pa.list_(pa.int32())) for name, values in columns.items()}
                    )
                    writer = writer or pa.ipc.new_stream(file, table.schema)
                    writer.write_table(table)
                writer.close()
        except OSError as error:
            if is_disk_full(error):
                free = "free some space in the temporary folder, or name another one in TMPDIR"
                raise disk_full(Path(folder), next_step=free) from error
            raise
        return Dataset.from_file(str(path))
