"""The order of the rows: the same on every process, on every number of processes, and after a resume.

accelerate fills up an uneven last batch with rows from the beginning, which then count twice. Here a filler
row without a trained token takes their place, so that every trained token weighs the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch

from tuning.data import IGNORED
from tuning.packing import row_lengths, single_row_lengths
from tuning.progress import say

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import Trainer

_STEPS_PER_GROUP = 50  # rows of so many steps are sorted by length together; transformers takes as many


def with_filler(data: Dataset, *, pad_token_id: int) -> Dataset:
    """Return the data with one more row at its end, of padding, on which nothing is trained."""
    from datasets import Dataset, concatenate_datasets

    row = {"input_ids": [[pad_token_id] * 2], "labels": [[IGNORED] * 2], "seq_lengths": [[2]]}
    columns = {name: row[name] for name in data.column_names}
    return concatenate_datasets([data, Dataset.from_dict(columns, features=data.features)])


class EpochSampler(torch.utils.data.Sampler[int]):
    """Yield the rows of an epoch, filled up to whole batches on all processes.

    The order depends on the seed, the epoch and the rows of a step alone: a run that goes on with other
    processes trains on the same rows in every step.

    Args:
        lengths: tokens of every row; the filler has the number behind the last.
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
        self._rows_per_batch, self._rows_per_step = rows_per_batch, rows_per_step
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
        step, num_whole = self._rows_per_step, num_rows // self._rows_per_step * self._rows_per_step
        order: list[int] = []
        for begin in range(0, num_whole, step * _STEPS_PER_GROUP):
            group = rows[begin : min(begin + step * _STEPS_PER_GROUP, num_whole)]
            group.sort(key=lambda row: self._lengths[row], reverse=True)
            steps = [group[at : at + step] for at in range(0, len(group), step)]
            shuffled = torch.randperm(len(steps), generator=random).tolist()
            order += [row for number in shuffled for row in steps[number]]
        return order + sorted(rows[num_whole:], key=lambda row: self._lengths[row], reverse=True)


def padding_share(
    lengths: Sequence[int], order: Sequence[int], rows_per_device: int, pad_to_multiple_of: int | None
) -> float:
    """Return the share of padding among the tokens that an epoch computes, between 0 and 1.

    Args:
        lengths: tokens of every row.
        order: of an `EpochSampler`; fillers are padding too.
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


class EvenBatchesMixin:
    """Mixed into a Trainer, in front of it, takes its rows from an `EpochSampler`.

    The training data must have a filler as its last row (`with_filler`).

    Attributes:
        epoch_sampler: of the training rows.
        padding: the share of padding in the first epoch, as it is and as single rows in random order have it.
    """

    epoch_sampler: EpochSampler
    padding: dict[str, float]

    def _get_train_sampler(self: Trainer, train_dataset: Dataset | None = None) -> EpochSampler:
        args = self.args
        rows_per_batch = args.train_batch_size * args.world_size
        sizes = {
            "rows_per_batch": rows_per_batch,
            "rows_per_step": rows_per_batch * args.gradient_accumulation_steps,
            "seed": args.seed,
        }
        lengths = row_lengths(self.train_dataset)[:-1]
        single_lengths = single_row_lengths(self.train_dataset)[:-1]
        sampler = EpochSampler(lengths, **sizes, strategy=str(args.train_sampling_strategy))
        # Batches of as many rows as packed ones have on average.
        single_rows = round(args.train_batch_size * len(single_lengths) / len(lengths))
        in_random_order = EpochSampler(
            single_lengths,
            rows_per_batch=single_rows * args.world_size,
            rows_per_step=single_rows * args.world_size,
            seed=args.seed,
        )
        self.padding = {
            "share": padding_share(lengths, list(sampler), args.train_batch_size, args.pad_to_multiple_of),
            "share_in_random_order": padding_share(
                single_lengths, list(in_random_order), single_rows, args.pad_to_multiple_of
            ),
        }
        if self.is_world_process_zero():
            say("batches", num_rows=len(lengths), rows_per_step=sizes["rows_per_step"], padding=self.padding)
        self.epoch_sampler = sampler
        return sampler
