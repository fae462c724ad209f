"""The table that walks through the preparation: rows by split, and beside them what was left out and why."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

# The columns of naver-news-summarization-ko, which every source is brought to.
COLUMNS = ("date", "category", "press", "title", "document", "link", "summary")
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True)
class News:
    """Rows on their way to a data set. Every step takes one and returns a new one.

    Args:
        splits: the rows that passed so far, by split, in COLUMNS (and `id` once cleaned).
        num_loaded: how many rows the source had, by split.
        num_unused: good rows beyond the documented size, by split.
        rejected: rows that did not pass, in COLUMNS plus `split` and `reason`.
        changes: how many rows a step changed and kept, by what was done and by split.
    """

    splits: Mapping[str, "pd.DataFrame"]
    num_loaded: Mapping[str, int]
    num_unused: Mapping[str, int] = field(default_factory=dict)
    rejected: "pd.DataFrame | None" = None
    changes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def reject(self, reasons: Mapping[str, Mapping[int, str]]) -> "News":
        """Move rows from the splits to the rejected ones.

        Args:
            reasons: for each split, the reason of each row to reject, by its position.
        """
        import numpy as np
        import pandas as pd

        splits = dict(self.splits)
        rejected = [] if self.rejected is None else [self.rejected]
        for split, found in reasons.items():
            if not found:
                continue
            rows = splits[split]
            positions = sorted(found)
            out = rows.iloc[positions].reset_index(drop=True)[list(COLUMNS)]
            rejected.append(out.assign(split=split, reason=[found[position] for position in positions]))
            is_kept = np.ones(len(rows), dtype=bool)
            is_kept[positions] = False
            splits[split] = rows[is_kept].reset_index(drop=True)
        if not rejected:
            return self
        return replace(self, splits=splits, rejected=pd.concat(rejected, ignore_index=True))

    def changed(self, what: str, num_rows: Mapping[str, int]) -> "News":
        """Note how many rows of each split were changed by a step and kept; nothing is noted for none."""
        if not any(num_rows.values()):
            return self
        before = self.changes.get(what, {})
        total = {split: before.get(split, 0) + num_rows.get(split, 0) for split in self.splits}
        return replace(self, changes={**self.changes, what: total})

    def counts(self) -> "pd.DataFrame":
        """Count what became of the loaded rows: one line per fate, one column per split and their total."""
        lines = {"loaded": self.num_loaded}
        if self.rejected is not None:
            for reason in sorted(self.rejected["reason"].unique()):
                is_reason = self.rejected["reason"] == reason
                lines[f"rejected: {reason}"] = self.rejected.loc[is_reason, "split"].value_counts().to_dict()
        if any(self.num_unused.values()):
            lines["not used: beyond the documented size"] = self.num_unused
        lines["kept"] = {split: len(rows) for split, rows in self.splits.items()}
        return _by_split(lines, self.splits)

    def changes_table(self) -> "pd.DataFrame":
        """Count the rows that were changed and kept: one line per change, one column per split."""
        return _by_split(self.changes, self.splits)


def to_table(batches: "Iterable[pa.RecordBatch]") -> "pd.DataFrame":
    """Make a table of batches; pandas takes Arrow's large strings over without copying them."""
    import pyarrow as pa

    return pa.Table.from_batches(batches).to_pandas()


def _by_split(lines: Mapping[str, Mapping[str, int]], splits: Iterable[str]) -> "pd.DataFrame":
    import pandas as pd

    columns = list(splits)
    cells = [[int(counts.get(split, 0)) for split in columns] for counts in lines.values()]
    table = pd.DataFrame(cells, index=list(lines), columns=columns, dtype="int64")
    table["total"] = table.sum(axis=1)
    return table
