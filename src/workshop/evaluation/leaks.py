"""Test articles that have a twin among other rows, and what a twin that was trained on would do to a score.

Notebook 01 keeps such rows out of the training split (news/duplicates.py), so nothing of it is in the scores.
What they would have been is shown by a model that remembers: where a twin was trained on, it answers with the
twin's summary.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from workshop.errors import WorkshopError
from workshop.evaluation.rouge import normalized
from workshop.news.duplicates import NEAR_DUPLICATE_JACCARD, find_leaks

_OF_TEST = " as in test"


def closed_leaks(dataset_dir: Path) -> list[tuple[str, str]]:
    """Return article and summary of the rows that notebook 01 rejected because the test split has them.

    Args:
        dataset_dir: The folder of one data set, `settings.data_dir / settings.dataset_name`.

    Raises:
        WorkshopError: There is no file of rejected rows.
    """
    path = dataset_dir / "rejected.jsonl"
    try:
        with path.open(encoding="utf-8") as file:
            rejected = [json.loads(line) for line in file]
    except FileNotFoundError:
        raise WorkshopError(
            found=f"no file {path}",
            expected="the rejected rows that notebook 01 writes",
            next_step="run 01-Prepare-Dataset-KR-News",
        ) from None
    return [(row["document"], row["summary"]) for row in rejected if row["reason"].endswith(_OF_TEST)]


def twins(
    articles: Sequence[str],
    references: Sequence[str],
    others: Sequence[tuple[str, str]],
    *,
    threshold: float = NEAR_DUPLICATE_JACCARD,
) -> list[str | None]:
    """Return for each test article the summary of the row that is most like it, or None.

    Args:
        references: Their reference summaries.
        others: Article and summary of the rows to look among: those trained on, or `closed_leaks`.
        threshold: As in `news.duplicates.without_leaks`. Articles that notebook 01 shortened are compared
            as they are, so that a twin may be missed there.
    """
    import pandas as pd

    tested = pd.DataFrame({"document": map(normalized, articles), "summary": map(normalized, references)})
    rows = pd.DataFrame([map(normalized, row) for row in others], columns=["document", "summary"])
    found: list[str | None] = [None] * len(tested)
    for leak in find_leaks(rows, tested, threshold=threshold).itertuples():  # the most similar first
        found[leak.tested_row] = found[leak.tested_row] or others[leak.row][1]
    return found


def remembered(summaries: Sequence[str], found: Sequence[str | None]) -> list[str]:
    """Return what a system would answer, had it been trained on the twins and remembered them.

    Args:
        summaries: Its own.
        found: What `twins` returned.
    """
    return [twin or summary for summary, twin in zip(summaries, found, strict=True)]
