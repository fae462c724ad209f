"""Write a data set so that there is always a whole one, the old until the new is complete; read it back."""

import ctypes
import errno
import fcntl
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from workshop.errors import WorkshopError
from workshop.news.table import News
from workshop.prompt import chat_messages

_NO_PERMISSION = {errno.EACCES, errno.EPERM, errno.EROFS}
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

# Ends the name that the old folder has between two renames.
ASIDE = "-old"
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2  # linux/fs.h
_RENAME_SWAP = 2  # macOS sys/stdio.h
# File systems and kernels that cannot exchange (NFS and so Amazon EFS, for one) answer with one of these.
_UNSUPPORTED = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


@dataclass(frozen=True, kw_only=True)
class WrittenDataset:
    """What was written.

    Args:
        dataset_dir: the folder of the data set.
        num_rows: rows by split, and of `rejected`.
        sha256: hexadecimal digest by file, as a path relative to the folder.
    """

    dataset_dir: Path
    num_rows: dict[str, int]
    sha256: dict[str, str]


def write(news: News, dataset_dir: Path) -> WrittenDataset:
    """Write the splits as chat-format JSONL, and the rejected rows with their reasons beside them.

    {split}/{split}.jsonl holds one row a line: id, category and the messages. rejected.jsonl holds the
    rejected rows in the source's columns with `split` and `reason`. The same news give the same bytes.

    The files are written to a folder beside and then exchanged for the old data set in one step. A full
    disk, an error or a kill at any moment leaves the old data set as it was.

    Raises:
        WorkshopError: a split without rows, no space, no permission, or somebody else is writing here.
    """
    for split, rows in news.splits.items():
        if rows.empty:
            raise WorkshopError(
                found=f"no row left for the split {split}",
                expected="at least one row in every split",
                next_step="look at the reasons in news.counts(), and correct or extend the news source",
            )
    with _disk_errors(dataset_dir), _only_writer(dataset_dir):
        _remove_leftovers(dataset_dir)
        # The name is not one a reader looks for; a leftover of a killed run is removed by the next.
        new_dir = Path(tempfile.mkdtemp(prefix=_prefix(dataset_dir), dir=dataset_dir.parent))
        try:
            new_dir.chmod(0o755)
            num_rows, sha256 = _write_files(news, new_dir)
            exchange(new_dir, dataset_dir)
            _sync_folder(dataset_dir.parent)
        finally:
            shutil.rmtree(new_dir, ignore_errors=True)
    return WrittenDataset(dataset_dir=dataset_dir, num_rows=num_rows, sha256=sha256)


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


def _write_files(news: News, folder: Path) -> tuple[dict[str, int], dict[str, str]]:
    num_rows, sha256 = {}, {}
    for split in news.splits:
        (folder / split).mkdir()
        name = f"{split}/{split}.jsonl"
        num_rows[split], sha256[name] = _write_lines(folder / name, _chat_rows(news, split))
        _sync_folder(folder / split)
    rejected = [] if news.rejected is None else news.rejected.to_dict("records")
    num_rows["rejected"], sha256["rejected.jsonl"] = _write_lines(folder / "rejected.jsonl", rejected)
    _sync_folder(folder)
    return num_rows, sha256


def _chat_rows(news: News, split: str) -> Iterator[dict]:
    rows = news.splits[split]
    for row in rows[["id", "category", "document", "summary"]].itertuples(index=False):
        yield {"id": row.id, "category": row.category, "messages": chat_messages(row.document, row.summary)}


def _write_lines(path: Path, rows: Iterable[dict]) -> tuple[int, str]:
    digest = hashlib.sha256()
    num_rows = 0
    with path.open("wb") as file:
        for row in rows:
            # A lone surrogate of a rejected row is not UTF-8; as an escape it is still JSON.
            line = (json.dumps(row, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
            digest.update(line)
            file.write(line)
            num_rows += 1
        _sync(file)
    return num_rows, digest.hexdigest()


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _prefix(dataset_dir: Path) -> str:
    return f".{dataset_dir.name}.new-"


def _remove_leftovers(dataset_dir: Path) -> None:
    """Remove what a killed run left; the old data set comes back if the kill came between two renames."""
    if not dataset_dir.exists():
        for aside in dataset_dir.parent.glob(f"{_prefix(dataset_dir)}*{ASIDE}"):
            aside.rename(dataset_dir)
    for leftover in dataset_dir.parent.glob(_prefix(dataset_dir) + "*"):
        shutil.rmtree(leftover, ignore_errors=True)


@contextmanager
def _only_writer(dataset_dir: Path) -> Iterator[None]:
    """Hold a lock that the system takes back by itself when the process ends, however it ends."""
    dataset_dir.parent.mkdir(parents=True, exist_ok=True)
    with (dataset_dir.parent / f".{dataset_dir.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WorkshopError(
                found=f"another process that is writing {dataset_dir}",
                expected="one writer at a time",
                next_step="wait for the other notebook or stop its kernel, then run this cell again",
            ) from None
        yield


@contextmanager
def _disk_errors(dataset_dir: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _NO_PERMISSION:
            raise WorkshopError(
                found=f"no permission to write {error.filename or dataset_dir}",
                expected="a folder that you may write",
                next_step="set WORKSHOP_HOME to another folder, or change the owner of this one",
            ) from None
        if error.errno not in _NO_SPACE:
            raise
        free_mb = shutil.disk_usage(dataset_dir.parent).free / 1e6
        raise WorkshopError(
            found=f"no space to write {dataset_dir} ({error.strerror}; {free_mb:,.0f} MB free on the disk)",
            expected="about 100 MB for the full data set; the old data set, if there was one, is unchanged",
            next_step="free some space, or set WORKSHOP_HOME to a folder on another disk; run the cell again",
        ) from None


def exchange(new: Path, old: Path) -> None:
    """Rename `new` to `old`; where there was an `old`, it is at `new` afterwards.

    `os.replace` cannot replace a folder that is not empty, and two renames would leave a moment without
    any. Linux and macOS can exchange two names in one step. Only on a file system that cannot, the two
    renames are done, the old one coming back if the second fails; after a kill between them it is beside,
    under the new one's name and ASIDE.

    Source: renameat2(2) with RENAME_EXCHANGE; renamex_np(2) with RENAME_SWAP.
    """
    if not old.exists():
        new.rename(old)
        return
    try:
        _exchange_names(new, old)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        _exchange_by_renaming(new, old)


def _exchange_names(new: Path, old: Path) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(new), os.fsencode(old)
    try:
        if sys.platform == "darwin":
            result = library.renamex_np(*names, _RENAME_SWAP)
        else:
            result = library.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE)
    except AttributeError:
        raise OSError(errno.ENOSYS, "this C library cannot exchange names") from None
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(old))


def _exchange_by_renaming(new: Path, old: Path) -> None:
    aside = new.with_name(new.name + ASIDE)
    old.rename(aside)
    try:
        new.rename(old)
    except BaseException:
        aside.rename(old)
        raise
    aside.rename(new)
