"""The sizes of the data sets, and how rows come to the splits."""

import hashlib
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING

from workshop.errors import WorkshopError
from workshop.news.table import SPLITS, News, to_table

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

# The public data set has 22,194 / 2,466 / 2,740 rows, 27,400 in all; the 27,840 that one reads is a slip.
SIZES: Mapping[str, Mapping[str, int]] = {
    "small": {"train": 10, "validation": 10, "test": 10},
    "full": {"train": 22_194, "validation": 2_466, "test": 2_740},
}
# Where rows can be had at will, this many more are loaded, so that the sizes are reached after rejections.
_RESERVE = 0.03
# So many times the documented rows are taken at most from a source that has more.
_MOST_ROWS = {"small": 5.0, "full": 1.25}


def sizes_of(dataset_name: str) -> Mapping[str, int]:
    """Return the documented number of rows of each split.

    Raises:
        WorkshopError: the name is neither "small" nor "full".
    """
    if dataset_name not in SIZES:
        raise WorkshopError(
            found=f"the data set name {dataset_name!r}",
            expected=" or ".join(map(repr, SIZES)),
            next_step="use settings.dataset_name",
        )
    return SIZES[dataset_name]


def sizes_to_load(dataset_name: str) -> dict[str, int]:
    """Return how many rows to load so that the documented number is left after rejections."""
    return {split: ceil(size * (1 + _RESERVE)) for split, size in sizes_of(dataset_name).items()}


def divide(batches: Iterable["pa.RecordBatch"], dataset_name: str, where: str) -> dict[str, "pd.DataFrame"]:
    """Divide the rows of one source among the splits, in the proportion of the documented sizes.

    Which split a row comes to depends on the hash of its text alone: neither the order of the source, often
    by date or category, nor a random source has an influence. Of a source with many more rows than are
    documented, those with the lowest hashes are taken. Within a split the source's order stays.

    Args:
        batches: all rows; each is freed as soon as it is divided, so there is one table in memory, not two.
        dataset_name: "small" or "full".
        where: what to call the source in an error.

    Raises:
        WorkshopError: fewer rows than splits.
    """
    import numpy as np

    sizes = sizes_of(dataset_name)
    waiting = deque(batches)
    keys = [key for batch in waiting for key in _keys(batch)]
    if len(keys) < len(SPLITS):
        raise WorkshopError(
            found=f"{len(keys)} rows in {where}",
            expected=f"at least {len(SPLITS)}, one for each of {', '.join(SPLITS)}",
            next_step="add rows",
        )
    order = np.array(sorted(range(len(keys)), key=keys.__getitem__))
    total = sum(sizes.values())
    counts = {split: max(1, round(len(keys) * sizes[split] / total)) for split in ("test", "validation")}
    counts["train"] = len(keys) - sum(counts.values())
    most = rows_to_read(dataset_name)
    split_of = np.full(len(keys), fill_value=-1)
    begin = 0
    for split, count in counts.items():
        split_of[order[begin : begin + min(count, most[split])]] = SPLITS.index(split)
        begin += count
    divided: dict[str, list[pa.RecordBatch]] = {split: [] for split in SPLITS}
    begin = 0
    while waiting:
        batch = waiting.popleft()
        splits_here = split_of[begin : begin + batch.num_rows]
        begin += batch.num_rows
        for index, split in enumerate(SPLITS):
            divided[split].append(batch.filter(splits_here == index))
    return {split: to_table(divided.pop(split)) for split in SPLITS}


def _keys(batch: "pa.RecordBatch") -> list[bytes]:
    texts = zip(batch["document"].to_pylist(), batch["summary"].to_pylist(), strict=True)
    return [hashlib.blake2b("\0".join(row).encode(), digest_size=16).digest() for row in texts]


def rows_to_read(dataset_name: str) -> dict[str, int]:
    """Return how many rows to read at most of each split of a source that has its own splits."""
    return {split: ceil(size * _MOST_ROWS[dataset_name]) for split, size in sizes_of(dataset_name).items()}


def take(news: News, dataset_name: str, *, most: Mapping[str, int] | None = None) -> News:
    """Keep the first rows of each split, up to the documented sizes.

    A source with fewer rows keeps all it has; `News.counts` shows how many.

    Args:
        most: Fewer rows than are documented, by split.
    """
    most = most or {}
    sizes = {split: min(size, most.get(split, size)) for split, size in sizes_of(dataset_name).items()}
    num_unused = {split: max(0, len(rows) - sizes[split]) for split, rows in news.splits.items()}
    splits = {split: rows.iloc[: sizes[split]] for split, rows in news.splits.items()}
    return replace(news, splits=splits, num_unused=num_unused)
