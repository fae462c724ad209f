"""Several short rows in one long one, each with positions of its own: no padding, and no row is cut.

Attention keeps the rows apart by their positions (`tuning.attention` says where); nothing else of a
transformer's decoder looks from one token at another.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tuning.data import IGNORED, Columns, store

if TYPE_CHECKING:
    import torch
    from datasets import Dataset

_CHUNK_BINS = 100  # packed at once: rows of one bin lie anywhere in the data


def pack(data: Dataset, *, max_tokens: int) -> Dataset:
    """Return packed rows of up to `max_tokens` tokens: `input_ids`, `labels`, `seq_lengths`.

    Args:
        data: tokenised rows, none longer than `max_tokens`.
        max_tokens: of a packed row.
    """
    bins = best_fit(row_lengths(data), max_tokens)

    def chunks() -> Iterator[Columns]:
        for begin in range(0, len(bins), _CHUNK_BINS):
            columns: Columns = {"input_ids": [], "labels": [], "seq_lengths": []}
            for indices in bins[begin : begin + _CHUNK_BINS]:
                rows = data[indices]
                columns["input_ids"].append([token for ids in rows["input_ids"] for token in ids])
                columns["labels"].append([label for labels in rows["labels"] for label in labels])
                columns["seq_lengths"].append([len(ids) for ids in rows["input_ids"]])
            yield columns

    return store(chunks())


def best_fit(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Return bins of row numbers: the longest row first, each into the fullest bin that still has room.

    Args:
        lengths: tokens of every row, none above `capacity`.
        capacity: tokens of a bin.

    Source: best-fit decreasing; "Fewer Truncations Improve Language Modeling", arXiv 2404.10830.
    """
    bins: list[list[int]] = []
    rooms: list[tuple[int, int]] = []  # (tokens left, bin), sorted
    for row in sorted(range(len(lengths)), key=lambda index: (-lengths[index], index)):
        length = lengths[row]
        place = bisect.bisect_left(rooms, (length, -1))
        if place == len(rooms):
            bins.append([row])
            room, number = capacity, len(bins) - 1
        else:
            room, number = rooms.pop(place)
            bins[number].append(row)
        bisect.insort(rooms, (room - length, number))
    return bins


def row_lengths(data: Dataset) -> list[int]:
    """Return the tokens of every row, packed or not, without reading them."""
    column = data.with_format("arrow")[:].column("input_ids")
    return [length for chunk in column.chunks for length in chunk.value_lengths().to_pylist()]


def single_row_lengths(data: Dataset) -> list[int]:
    """Return the tokens of every row before it was packed."""
    if "seq_lengths" not in data.column_names:
        return row_lengths(data)
    return [length for row in data["seq_lengths"] for length in row]


class SeparateRows:
    """Collate packed rows side by side, for attention that masks: eager, sdpa, flex_attention.

    TRL lays the rows of a batch one after the other, which suits FlashAttention's kernels. A mask over all
    of them would grow with the square of the batch. There is no attention mask on purpose: transformers
    looks for packed rows only where none is given.

    Args:
        pad_token_id: what fills up a row; positions of padding start again, so it is a row of its own.
        pad_to_multiple_of: of the batch's length in tokens, or None.
    """

    def __init__(self, *, pad_token_id: int, pad_to_multiple_of: int | None = None) -> None:
        self._pad_token_id = pad_token_id
        self._multiple = pad_to_multiple_of or 1

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Return input_ids, labels and position_ids, each (num_rows, num_tokens)."""
        import torch

        longest = max(len(row["input_ids"]) for row in rows)
        num_tokens = -(-longest // self._multiple) * self._multiple
        shape = (len(rows), num_tokens)
        batch = {
            "input_ids": torch.full(shape, self._pad_token_id),
            "labels": torch.full(shape, IGNORED),
            "position_ids": torch.zeros(shape, dtype=torch.long),
        }
        for index, row in enumerate(rows):
            lengths = row.get("seq_lengths") or [len(row["input_ids"])]
            end = sum(lengths)
            positions = torch.cat([torch.arange(length) for length in [*lengths, num_tokens - end]])
            batch["input_ids"][index, :end] = torch.tensor(row["input_ids"])
            batch["labels"][index, :end] = torch.tensor(row["labels"])
            batch["position_ids"][index] = positions
        # A row's first token is not to be foretold from its neighbour's last.
        batch["labels"][batch["position_ids"] == 0] = IGNORED
        return batch
