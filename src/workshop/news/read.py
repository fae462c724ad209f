"""Read back a data set that was written."""

import json
from pathlib import Path
from typing import Any

from workshop.errors import WorkshopError


def read_rows(dataset_dir: Path, split: str) -> list[dict[str, Any]]:
    """Return the rows of a split: `id`, `category` and `messages` of each.

    Args:
        dataset_dir: the folder of one data set, `settings.data_dir / settings.dataset_name`.
        split: "train", "validation" or "test".

    Raises:
        WorkshopError: the file is not there.
    """
    path = dataset_dir / split / f"{split}.jsonl"
    try:
        with path.open(encoding="utf-8") as file:
            return [json.loads(line) for line in file]
    except FileNotFoundError:
        raise WorkshopError(
            found=f"no file {path}",
            expected="the rows that notebook 01 writes",
            next_step="run 01-Prepare-Dataset-KR-News",
        ) from None
