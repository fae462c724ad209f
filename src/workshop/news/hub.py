"""Download a public data set from the Hugging Face hub, or say at once why that cannot be done."""

from pathlib import Path
from typing import TYPE_CHECKING

from workshop.errors import WorkshopError

if TYPE_CHECKING:
    from datasets import DatasetDict

_TIMEOUT_S = 10


def download(name: str) -> "DatasetDict":
    """Download a data set, or take it from the local cache.

    The hub is asked first whether it is there: `load_dataset` alone retries for 23 s without a network.

    Raises:
        WorkshopError: no such data set, no access, no network, or files that are no table.
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
        HfApi().dataset_info(name, timeout=_TIMEOUT_S)
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
