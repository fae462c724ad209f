"""One loader for every source of news: this repository's own, the Hugging Face hub, and files.

Rows stream from their source into Arrow text columns, which the returned tables are made of: nothing is
held beside the table but a batch. Measured with 27,400 rows of 1,000 characters, a table of 65 MiB: while
reading, Arrow holds at most 71 MiB (CSV), 66 (JSONL) or 78 (Parquet, which is compressed in groups of rows),
and the process grows by 121, 106 or 130 MiB, its allocator's reserve included.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from workshop.errors import WorkshopError
from workshop.news.columns import check_columns, text_batch, with_all_columns
from workshop.news.files import EXTENSIONS, is_news_file, read_file
from workshop.news.folder import find_split_files, is_saved_to_disk, split_names
from workshop.news.split import divide, rows_to_read, sizes_of, sizes_to_load
from workshop.news.table import SPLITS, News, to_table

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from datasets import DatasetDict

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_BATCH_ROWS = 1_000
_HUB_TIMEOUT_S = 10


def load(
    source: str,
    dataset_name: str,
    *,
    seed: int = 0,
    base_dir: Path | None = None,
    most: Mapping[str, int] | None = None,
) -> News:
    """Load the rows of a data set, as they are, by split.

    Args:
        source: "sample" for this repository's own news (hand-written for "small", generated for "full"); the
            name of a data set on the Hugging Face hub; a file that `read_file` reads; a folder of such files
            named train, validation and test; a clone of a data set's repository; or a folder that
            `save_to_disk` wrote. A file, or a data set with other splits than these, is divided by `divide`.
        dataset_name: "small" or "full".
        seed: of the generated news; hand-written news, the hub and files do not depend on it.
        base_dir: what a relative path is relative to; the working directory when left out.
        most: only so many first rows, by split; all of a split that it does not name.

    Returns:
        News with one table per split, text columns only; where the source has them, with more rows than
        documented, which `take` cuts after rejections.

    Raises:
        WorkshopError: the source does not exist, cannot be reached or read, or lacks a column.
    """
    sizes_of(dataset_name)
    if source == "sample":
        splits = _sample(dataset_name, seed, most or {})
    else:
        path = (base_dir or Path()) / Path(source).expanduser()
        if path.is_dir():
            splits = _folder(path, dataset_name)
        elif path.is_file():
            splits = divide(read_file(path), dataset_name, str(path))
        elif _HUB_ID.fullmatch(source) and not is_news_file(path):
            splits = _hub(source, dataset_name)
        else:
            raise WorkshopError(
                found=f"the news source {source!r}, and no file or folder at {path.absolute()}",
                expected="'sample', a data set on the hub such as daekeun-ml/naver-news-summarization-ko, "
                f"a file ({', '.join(EXTENSIONS)}) or a folder of such files",
                next_step="correct news_source in workshop.yaml, or WORKSHOP_NEWS_SOURCE",
            )
    splits = {split: rows.iloc[: (most or {}).get(split, len(rows))] for split, rows in splits.items()}
    return News(splits=splits, num_loaded={split: len(rows) for split, rows in splits.items()})


def _sample(dataset_name: str, seed: int, most: Mapping[str, int]) -> dict[str, "pd.DataFrame"]:
    if dataset_name == "small":
        from sample.news import handwritten

        return {split: to_table(_batches(handwritten.rows(split))) for split in SPLITS}
    from sample.news import generator

    # The test split alone has the names and the topic that no training text has.
    unseen = {"topics": (*generator.TRAINING_TOPICS, *generator.HELD_OUT_TOPICS), "held_out_names": True}
    sizes = {split: min(size, most.get(split, size)) for split, size in sizes_to_load(dataset_name).items()}
    return {
        split: to_table(
            _batches(generator.rows(size, _split_seed(seed, split), **(unseen if split == "test" else {})))
        )
        for split, size in sizes.items()
    }


def _split_seed(seed: int, split: str) -> int:
    """Derive a seed that no other split has, at this seed or at any other (seed + 1 would)."""
    return int.from_bytes(hashlib.sha256(f"{split} {seed}".encode()).digest()[:6], "big")


def _folder(folder: Path, dataset_name: str) -> dict[str, "pd.DataFrame"]:
    if is_saved_to_disk(folder):
        return _of_dataset(_saved_dataset(folder), dataset_name, str(folder))
    files = find_split_files(folder)
    batches = {split: chain.from_iterable(map(read_file, paths)) for split, paths in files.items()}
    if not set(SPLITS) <= set(files):
        return divide(chain.from_iterable(batches.values()), dataset_name, str(folder))
    most = rows_to_read(dataset_name)
    return {split: to_table(_first_rows(batches[split], most[split])) for split in SPLITS}


def _saved_dataset(folder: Path) -> "DatasetDict":
    from datasets import DatasetDict, load_from_disk

    try:
        saved = load_from_disk(str(folder))
    except (OSError, ValueError, KeyError) as error:  # a file that is missing, cut or not Arrow's
        raise WorkshopError(
            found=f"{folder}, which save_to_disk wrote and which cannot be read ({_first_line(error)})",
            expected="the whole folder, as it was written",
            next_step="copy it again with all its files, or write it again with save_to_disk",
        ) from None
    return saved if isinstance(saved, DatasetDict) else DatasetDict({"train": saved})


def _hub(name: str, dataset_name: str) -> dict[str, "pd.DataFrame"]:
    return _of_dataset(download(name), dataset_name, name)


def _of_dataset(dataset: "DatasetDict", dataset_name: str, name: str) -> dict[str, "pd.DataFrame"]:
    for split in dataset:
        check_columns(dataset[split].column_names, f"the split {split} of {name}")
    names = split_names(dataset)
    if not set(SPLITS) <= set(names):
        all_batches = chain.from_iterable(_dataset_batches(dataset[split], name) for split in dataset)
        return divide(all_batches, dataset_name, f"the data set {name}")
    most = rows_to_read(dataset_name)
    return {
        split: to_table(_first_rows(_dataset_batches(dataset[names[split]], name), most[split]))
        for split in SPLITS
    }


def _dataset_batches(dataset, name: str) -> Iterator["pa.RecordBatch"]:
    for table in dataset.with_format("arrow").iter(batch_size=_BATCH_ROWS):
        for batch in table.to_batches():
            yield with_all_columns(batch, f"the data set {name}")


def _first_rows(batches: Iterable["pa.RecordBatch"], num_rows: int) -> Iterator["pa.RecordBatch"]:
    for batch in batches:
        yield batch.slice(0, num_rows)
        num_rows -= batch.num_rows
        if num_rows <= 0:
            return


def _batches(rows: Iterable[dict[str, str]]) -> Iterator["pa.RecordBatch"]:
    rows = iter(rows)
    while batch := list(islice(rows, _BATCH_ROWS)):
        yield text_batch(batch)


def download(name: str) -> "DatasetDict":
    """Download a data set, or take it from the local cache.

    The hub is asked first whether it is there: `load_dataset` alone retries for 23 s without a network.

    Raises:
        WorkshopError: no such data set, no access, no network, or files that are not a table.
    """
    _check_connection(name)
    from datasets import load_dataset
    from datasets.exceptions import DatasetNotFoundError, DatasetsError

    try:
        return load_dataset(name)
    except ConnectionError as error:
        raise _unreachable(name, error) from None
    except DatasetNotFoundError as error:
        raise WorkshopError(
            found=f"no access to the data set {name} ({_first_line(error)})",
            expected="a public data set, or one whose owner has given you access",
            next_step=f"ask for it at https://huggingface.co/datasets/{name}, then run `hf auth login`",
        ) from None
    except (DatasetsError, ValueError) as error:
        raise WorkshopError(
            found=f"the data set {name}, which cannot be loaded ({_first_line(error)})",
            expected="a data set of CSV, JSON or Parquet files with a default configuration",
            next_step="download its files and give their folder as news_source",
        ) from None


def _check_connection(name: str) -> None:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HTTPError, RepositoryNotFoundError

    try:
        HfApi().dataset_info(name, timeout=_HUB_TIMEOUT_S)
    except RepositoryNotFoundError:
        raise WorkshopError(
            found=f"no data set {name} on the hub, or a private one",
            expected="a data set such as daekeun-ml/naver-news-summarization-ko",
            next_step="correct news_source in workshop.yaml; for a private data set run `hf auth login`",
        ) from None
    except (OSError, HTTPError) as error:
        if not _is_cached(name):
            raise _unreachable(name, error) from None


def _is_cached(name: str) -> bool:
    from datasets import config

    return (Path(config.HF_DATASETS_CACHE) / name.replace("/", "___")).is_dir()


def _unreachable(name: str, error: Exception) -> WorkshopError:
    return WorkshopError(
        found=f"no connection to the hub for {name} ({type(error).__name__}: {_first_line(error)})",
        expected="huggingface.co to answer, or the data set in the local cache",
        next_step="check network and proxy; without a network set news_source: sample in workshop.yaml",
    )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "")[:200]
