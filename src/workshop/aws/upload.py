"""Data and base model to S3, once: jobs and endpoints read them there and never see a token."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workshop.aws.session import Aws
from workshop.aws.transfer import (
    Transfers,
    file_sha256,
    size_text,
    stored,
    stored_sha256,
    upload_changed,
    upload_file,
)
from workshop.entries import DatasetState
from workshop.errors import WorkshopError
from workshop.news.table import SPLITS
from workshop.settings import Settings

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

MODEL_SUFFIXES = (".safetensors", ".json", ".jinja", ".model")
"""Weights, configuration, chat template, tokenizer. Other formats hold the same weights a second time."""

DISK_MARGIN = 1.1
_HUB_TIMEOUT_S = 10


@dataclass(frozen=True)
class _ModelFile:
    name: str
    num_bytes: int
    sha256: str
    """"" where the hub reports none: it knows the hash of its large files only."""


def upload_dataset(aws: Aws, settings: Settings, dataset: DatasetState) -> dict[str, str]:
    """Bring the splits of the settings' data set to S3; those that are there with the same hash stay.

    Returns:
        S3 folders by channel: {"train": "s3://.../train/", "validation": ..., "test": ...}.
    """
    s3, name = aws.client("s3"), settings.dataset_name
    files = {split: dataset.split_path(name, split) for split in SPLITS}
    uris = {split: aws.uri("data", settings.mode, name, split) + "/" for split in SPLITS}
    root = f"{aws.prefix}/data/{settings.mode}/{name}/"
    present = stored(s3, aws.bucket, root)
    num_bytes = sum(path.stat().st_size for path in files.values())
    with Transfers(f"upload of the {name} data", num_bytes) as shown:
        for split, path in files.items():
            key, sha256 = f"{root}{split}/{path.name}", dataset.sha256[f"{name}/{split}"]
            upload_changed(s3, path, aws.bucket, key, sha256, present, shown)
    return uris


def upload_base_model(aws: Aws, settings: Settings) -> str:
    """Bring the base model to S3 file by file: from its folder, or from the Hugging Face hub.

    A file from the hub is on this machine's disk only until it is in S3; an interrupted download resumes
    where it stopped.

    Returns:
        The S3 folder, with a slash at its end.

    Raises:
        WorkshopError: No access to the model on the hub, no such model, or no space on the disk.
    """
    folder, name = Path(settings.base_model_location), settings.base_model
    is_folder = folder.is_dir()
    if is_folder:  # the key says nothing of this machine's own folders
        is_ours = folder.is_relative_to(settings.repo_dir)
        name = folder.relative_to(settings.repo_dir).as_posix() if is_ours else folder.name
    prefix = f"{aws.prefix}/base-model/{name}/"
    if is_folder:
        _upload_folder(aws, folder, prefix)
    else:
        _upload_from_hub(aws, name, prefix, settings.home / "base-model-download")
    return f"s3://{aws.bucket}/{prefix}"


def _upload_folder(aws: Aws, folder: Path, prefix: str) -> None:
    paths = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix in MODEL_SUFFIXES)
    if not any(path.suffix == ".safetensors" for path in paths):
        raise WorkshopError(
            found=f"no *.safetensors file in {folder}",
            expected="a model that `from_pretrained` can load",
            next_step="correct base_model in workshop.yaml (make base rebuilds the small one)",
        )
    files = [_ModelFile(path.name, path.stat().st_size, file_sha256(path)) for path in paths]
    with _upload(aws, prefix, files) as (shown, missing):
        for file in missing:
            upload_file(
                aws.client("s3"), folder / file.name, aws.bucket, prefix + file.name, file.sha256, shown
            )


def _upload_from_hub(aws: Aws, name: str, prefix: str, download_dir: Path) -> None:
    from huggingface_hub import hf_hub_download

    info = _model_info(name)
    files = _model_files(info)
    with _upload(aws, prefix, files) as (shown, missing):
        for file in missing:
            _check_disk(download_dir, file)
            shown.note(f"{file.name}  {size_text(file.num_bytes)}  downloading")
            with hub_errors(name):
                path = Path(hf_hub_download(name, file.name, revision=info.sha, local_dir=download_dir))
            upload_file(aws.client("s3"), path, aws.bucket, prefix + file.name, file.sha256, shown)
            path.unlink()
    shutil.rmtree(download_dir, ignore_errors=True)


@contextmanager
def _upload(aws: Aws, prefix: str, files: list[_ModelFile]) -> Iterator[tuple[Transfers, list[_ModelFile]]]:
    """Say which files are missing; afterwards remove what does not belong to the model.

    A file of an earlier version could be loaded in place of the new ones.
    """
    s3 = aws.client("s3")
    present = stored(s3, aws.bucket, prefix)
    with Transfers("upload of the base model", sum(file.num_bytes for file in files)) as shown:
        missing = []
        for file in files:
            if _is_present(s3, aws.bucket, prefix + file.name, file, present):
                shown.skip(file.name, file.num_bytes)
            else:
                missing.append(file)
        yield shown, missing
        for key in sorted(present.keys() - {prefix + file.name for file in files}):
            s3.delete_object(Bucket=aws.bucket, Key=key)
            shown.note(f"{key.removeprefix(prefix)}  removed: not part of this model")


def _is_present(s3: Any, bucket: str, key: str, file: _ModelFile, present: dict[str, int]) -> bool:
    if present.get(key) != file.num_bytes:
        return False
    return not file.sha256 or stored_sha256(s3, bucket, key) == file.sha256


def _model_info(name: str) -> ModelInfo:
    from huggingface_hub import HfApi

    with hub_errors(name):
        return HfApi().model_info(name, files_metadata=True, timeout=_HUB_TIMEOUT_S)


def _model_files(info: ModelInfo) -> list[_ModelFile]:
    """Return the files at the root of a model's repository that loading it takes.

    Folders stay out: Llama 3's original/ holds all weights again, in another format.
    """
    files = [
        _ModelFile(item.rfilename, item.size or 0, item.lfs.sha256 if item.lfs else "")
        for item in info.siblings or ()
        if "/" not in item.rfilename and item.rfilename.endswith(MODEL_SUFFIXES)
    ]
    if any(file.name.endswith(".safetensors") for file in files):
        return files
    raise WorkshopError(
        found=f"no *.safetensors file in {info.id} on the hub",
        expected="a model in the format that training and serving read",
        next_step="choose another base_model in workshop.yaml",
    )


@contextmanager
def hub_errors(name: str) -> Iterator[None]:
    """Turn what the hub answers into what a person can do about it."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )  # fmt: skip

    page = f"https://huggingface.co/{name}"
    try:
        yield
        return
    except GatedRepoError:
        found = f"{name} is gated and the hub gives you no access (or does not know who you are)"
        next_step = f"accept its licence at {page}, wait for the approval, then run `hf auth login`"
    except RepositoryNotFoundError:
        found = f"no model {name} on the hub, or a private one"
        next_step = "correct base_model in workshop.yaml; for a private model run `hf auth login`"
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "no status"
        found = f"the hub answered {status} for {name}"
        next_step = f"run `hf auth login` and look at {page}" if status in (401, 403) else "try again later"
    except (HTTPError, LocalEntryNotFoundError, ConnectionError, TimeoutError) as error:
        found = f"no connection to the hub for {name} ({type(error).__name__})"
        next_step = "check network and proxy, then run the cell again: it resumes where it stopped"
    raise WorkshopError(
        found=found, expected="read access to the base model's files", next_step=next_step
    ) from None


def _check_disk(folder: Path, file: _ModelFile) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    free, needed = shutil.disk_usage(folder).free, int(file.num_bytes * DISK_MARGIN)
    if free < needed:
        raise WorkshopError(
            found=f"{size_text(free)} free for {folder}",
            expected=f"{size_text(needed)} for {file.name}, which is deleted once it is in S3",
            next_step="free some space, or set WORKSHOP_HOME to a larger disk, then run the cell again",
        )
