"""The order of the rows: the same on every process, on every number of processes, and after a resume.

accelerate fills up an uneven last batch with rows from the beginning, which then count twice. Here a row
of padding, without a trained token, takes their place, so that every trained token weighs the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch

from tuning.data import IGNORED
from tuning.packing import row_lengths, single_row_lengths

if TYPE_CHECKING:
    from datasets import Dataset
    from trl import SFTConfig

_STEPS_PER_GROUP = 50  # rows of so many steps are sorted by length together; transformers takes as many


def with_padding_row(data: Dataset, *, pad_token_id: int) -> Dataset:
    """Return the data with one more row at its end, of padding, on which nothing is trained."""
    from datasets import Dataset, concatenate_datasets

    row = {"input_ids": [[pad_token_id] * 2], "labels": [[IGNORED] * 2], "seq_lengths": [[2]]}
    columns = {name: row[name] for name in data.column_names}
    return concatenate_datasets([data, Dataset.from_dict(columns, features=data.features)])


class EpochSampler(torch.utils.data.Sampler[int]):
    """Yield the rows of an epoch, filled up to whole batches on all processes.

    The order depends on the seed, the epoch and the rows of a step alone: a run that resumes with other
    processes trains on the same rows in every step.

    Args:
        lengths: tokens of every row; the row of padding has the number behind the last.
        rows_per_batch: of all processes together, without gradient accumulation.
        rows_per_step: with gradient accumulation.
        strategy: "random", "group_by_length" (rows of a step are about equally long) or "sequential".
        seed: of the order.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        *,
        rows_per_batch: int,
        rows_per_step: int,
        strategy: str = "random",
        seed: int = 0,
    ) -> None:
        self._lengths = lengths
        self._rows_per_batch, self.rows_per_step = rows_per_batch, rows_per_step
        self._strategy, self._seed, self._epoch = strategy, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of another epoch; accelerate calls it."""
        self._epoch = epoch

    def __len__(self) -> int:
        return -(-len(self._lengths) // self._rows_per_batch) * self._rows_per_batch

    def __iter__(self) -> Iterator[int]:
        order = self._order()
        return iter(order + [len(self._lengths)] * (len(self) - len(order)))

    def _order(self) -> list[int]:
        num_rows = len(self._lengths)
        if self._strategy == "sequential":
            return list(range(num_rows))
        random = torch.Generator().manual_seed(self._seed + self._epoch)
        rows = torch.randperm(num_rows, generator=random).tolist()
        if self._strategy == "random":
            return rows
        # What does not fill a step comes last, as it must with every strategy.
        step, num_whole = self.rows_per_step, num_rows // self.rows_per_step * self.rows_per_step
        order: list[int] = []
        for begin in range(0, num_whole, step * _STEPS_PER_GROUP):
            group = rows[begin : min(begin + step * _STEPS_PER_GROUP, num_whole)]
            group.sort(key=lambda row: self._lengths[row], reverse=True)
            steps = [group[at : at + step] for at in range(0, len(group), step)]
            shuffled = torch.randperm(len(steps), generator=random).tolist()
            order += [row for number in shuffled for row in steps[number]]
        return order + sorted(rows[num_whole:], key=lambda row: self._lengths[row], reverse=True)


def train_sampler(data: Dataset, training: SFTConfig) -> EpochSampler:
    """Return the order of the training rows.

    Args:
        data: with a row of padding as its last one (`with_padding_row`).
        training: rows per device, accumulation, strategy, seed.
    """
    rows_per_batch = training.train_batch_size * training.world_size
    return EpochSampler(
        row_lengths(data)[:-1],
        rows_per_batch=rows_per_batch,
        rows_per_step=rows_per_batch * training.gradient_accumulation_steps,
        strategy=str(training.train_sampling_strategy),
        seed=training.seed,
    )


def padding_shares(data: Dataset, training: SFTConfig, sampler: EpochSampler) -> dict[str, float]:
    """Return the share of padding in the first epoch, and what single rows in random order would have.

    Args:
        data: with a row of padding as its last one.
        training: rows per device, their common length, seed.
        sampler: of `train_sampler`.
    """
    lengths, single_lengths = row_lengths(data)[:-1], single_row_lengths(data)[:-1]
    # Batches of as many rows as packed ones have on average.
    single_rows = round(training.train_batch_size * len(single_lengths) / len(lengths))
    in_random_order = EpochSampler(
        single_lengths,
        rows_per_batch=single_rows * training.world_size,
        rows_per_step=single_rows * training.world_size,
        seed=training.seed,
    )
    multiple = training.pad_to_multiple_of
    return {
        "share": padding_share(lengths, list(sampler), training.train_batch_size, multiple),
        "share_in_random_order": padding_share(single_lengths, list(in_random_order), single_rows, multiple),
    }


def padding_share(
    lengths: Sequence[int], order: Sequence[int], rows_per_device: int, pad_to_multiple_of: int | None
) -> float:
    """Return the share of padding among the tokens that an epoch computes, between 0 and 1.

    Args:
        lengths: tokens of every row.
        order: of an `EpochSampler`; rows of padding count too.
        rows_per_device: that are padded to one length.
        pad_to_multiple_of: of that length.
    """
    multiple = pad_to_multiple_of or 1
    computed = 0
    for begin in range(0, len(order), rows_per_device):
        longest = max(_length(lengths, row) for row in order[begin : begin + rows_per_device])
        computed += rows_per_device * -(-longest // multiple) * multiple
    return round(1 - sum(lengths) / computed, 4)


def _length(lengths: Sequence[int], row: int) -> int:
    return lengths[row] if row < len(lengths) else 2
