"""Writing a data set so that there is always a whole one."""

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from workshop.errors import WorkshopError
from workshop.news import dataset as dataset_module
from workshop.news.clean import clean
from workshop.news.dataset import read_rows, write
from workshop.prompt import REQUEST, SYSTEM, article_of, summary_of

from .conftest import ARTICLE, SUMMARY, MakeNews, article, row

# A process of its own, because it is limited or killed: writes versions of a data set, each in turn.
WRITER = """
import resource, sys
from itertools import count
from pathlib import Path
import pandas as pd
from workshop.errors import WorkshopError
from workshop.news.table import COLUMNS, News, SPLITS
from workshop.news.dataset import write

def version(number):
    rows = [dict.fromkeys(COLUMNS, "") | {"document": f"{number} 기사", "summary": f"{number} 요약"}] * 400
    table = pd.DataFrame(rows, dtype="str").assign(id=str(number))
    return News(splits=dict.fromkeys(SPLITS, table), num_loaded=dict.fromkeys(SPLITS, 400))

folder = Path(sys.argv[1])
if sys.argv[2] == "forever":
    for number in count():
        write(version(number), folder)
        print(number, flush=True)
try:
    if sys.argv[2] == "limited":
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    write(version(int(sys.argv[3])), folder)
except WorkshopError as error:
    print(error)
"""


def run_writer(*arguments: str) -> str:
    run = subprocess.run([sys.executable, "-c", WRITER, *arguments], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout


def files_of(folder: Path) -> dict[str, str]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ".full.lock")
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def version_of(dataset_dir: Path) -> str:
    """Return the one version that a whole data set is made of."""
    rows = [row for split in ("train", "validation", "test") for row in read_rows(dataset_dir, split)]
    assert len(rows) == 1_200
    assert (dataset_dir / "rejected.jsonl").is_file()
    (version,) = {row["id"] for row in rows}
    return version


@pytest.fixture
def news(make_news: MakeNews):
    bad = row(document="<b>짧다</b>", summary="大韓民國 😀")
    rows = [row(), row(document=article(1)), bad]
    return clean(make_news(train=rows, validation=rows, test=rows))


def test_files_have_the_documented_form(news, tmp_path: Path) -> None:
    written = write(news, tmp_path / "data" / "small")
    assert written.num_rows == {"train": 2, "validation": 2, "test": 2, "rejected": 3}
    assert written.sha256 == files_of(tmp_path / "data" / "small")
    assert sorted(written.sha256) == [
        "rejected.jsonl",
        "test/test.jsonl",
        "train/train.jsonl",
        "validation/validation.jsonl",
    ]
    lines = (written.dataset_dir / "train" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    first = json.loads(lines[0])
    assert first == {
        "id": news.splits["train"]["id"][0],
        "category": "사회",
        "messages": [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": f"{REQUEST}\n\n{ARTICLE}"},
            {"role": "assistant", "content": SUMMARY},
        ],
    }
    assert "한강시" in lines[0]
    rejected = (written.dataset_dir / "rejected.jsonl").read_text(encoding="utf-8").splitlines()
    first = json.loads(rejected[0])
    assert first["document"] == "<b>짧다</b>"
    assert first["split"] == "train"
    assert "shorter than" in first["reason"]


def test_rows_come_back_as_they_were_written(news, tmp_path: Path) -> None:
    write(news, tmp_path / "small")
    rows = read_rows(tmp_path / "small", "test")
    assert [article_of(row["messages"]) for row in rows] == news.splits["test"]["document"].tolist()
    assert [summary_of(row["messages"]) for row in rows] == news.splits["test"]["summary"].tolist()


def test_same_news_give_the_same_bytes(news, tmp_path: Path) -> None:
    assert write(news, tmp_path / "a").sha256 == write(news, tmp_path / "b").sha256


def test_second_data_set_replaces_the_first_and_nothing_else_is_left(news, make_news, tmp_path: Path) -> None:
    write(news, tmp_path / "full")
    rows = [row(document=article(9))]
    second = write(clean(make_news(train=rows, validation=rows, test=rows)), tmp_path / "full")
    assert second.sha256 == files_of(tmp_path / "full")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".full.lock", "full"]


def test_split_without_rows_is_refused_before_anything_is_written(
    make_news: MakeNews, tmp_path: Path
) -> None:
    with pytest.raises(WorkshopError, match="no row left for the split validation"):
        write(clean(make_news(train=[row()], test=[row()])), tmp_path / "full")
    assert list(tmp_path.iterdir()) == []


def test_file_size_limit_leaves_the_old_data_set_whole(tmp_path: Path) -> None:
    run_writer(str(tmp_path / "full"), "once", "1")
    before = files_of(tmp_path)
    output = run_writer(str(tmp_path / "full"), "limited", "2")
    assert "no space to write" in output
    assert "WORKSHOP_HOME" in output
    assert files_of(tmp_path) == before
    assert version_of(tmp_path / "full") == "1"


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A real disk of 1 MB, where this machine lets a test mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True)
    if mount.returncode != 0:
        pytest.skip("mounting a small disk needs root")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_full_disk_leaves_the_old_data_set_whole(full_disk: Path) -> None:
    # One version has 0.7 MB: the second does not fit beside the first.
    run_writer(str(full_disk / "full"), "once", "1")
    before = files_of(full_disk)
    assert "No space left on device" in run_writer(str(full_disk / "full"), "once", "2")
    assert files_of(full_disk) == before
    assert sorted(path.name for path in full_disk.iterdir()) == [".full.lock", "full"]


def test_kill_at_any_moment_leaves_a_whole_data_set(tmp_path: Path) -> None:
    folder = tmp_path / "full"
    run_writer(str(folder), "once", "-1")
    for delay_s in (0.0, 0.004, 0.009, 0.015):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), "forever"], stdout=subprocess.PIPE, text=True
        )
        process.stdout.readline()
        time.sleep(delay_s)
        process.send_signal(signal.SIGKILL)
        printed = process.communicate()[0].split()
        # The version last reported, or one that was complete but not reported yet.
        assert int(version_of(folder)) >= int((printed or ["0"])[-1])
    run_writer(str(folder), "once", "7")
    assert version_of(folder) == "7"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".full.lock", "full"]


def test_reader_never_finds_the_data_set_missing(tmp_path: Path) -> None:
    folder = tmp_path / "full"
    run_writer(str(folder), "once", "-1")
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(folder), "forever"], stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            assert (folder / "train" / "train.jsonl").stat().st_size > 0
    finally:
        process.kill()
        process.communicate()


def test_second_writer_has_to_wait(news, tmp_path: Path) -> None:
    import fcntl

    write(news, tmp_path / "full")
    with (tmp_path / ".full.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        with pytest.raises(WorkshopError, match="another process"):
            write(news, tmp_path / "full")
    write(news, tmp_path / "full")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_permission_is_named(news, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(WorkshopError, match="no permission"):
        write(news, tmp_path / "data" / "full")


def without_exchange(new: Path, old: Path) -> None:
    raise OSError(errno.EINVAL, "no exchange here")


def test_file_system_without_exchange_is_served_by_renaming(news, tmp_path: Path, monkeypatch) -> None:
    # Stands in for a network file system, which a test cannot mount.
    monkeypatch.setattr(dataset_module, "_exchange_names", without_exchange)
    write(news, tmp_path / "full")
    (tmp_path / "full" / "old").touch()
    assert write(news, tmp_path / "full").sha256 == files_of(tmp_path / "full")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".full.lock", "full"]


def test_kill_between_two_renames_loses_nothing(news, make_news, tmp_path: Path) -> None:
    # What such a kill leaves, on a file system without exchange; then the next writing fails as well.
    before = write(news, tmp_path / "full").sha256
    (tmp_path / "full").rename(tmp_path / f".full.new-abc{dataset_module.ASIDE}")
    (tmp_path / ".full.new-abc").mkdir()
    assert "no space" in run_writer(str(tmp_path / "full"), "limited", "2")
    assert files_of(tmp_path / "full") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [".full.lock", "full"]


def test_second_rename_that_fails_brings_the_old_one_back(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "file").touch()
    with pytest.raises(FileNotFoundError):
        dataset_module._exchange_by_renaming(tmp_path / "missing", tmp_path / "old")
    assert (tmp_path / "old" / "file").exists()


def test_missing_data_set_names_the_notebook_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(WorkshopError, match="01-Prepare-Dataset-KR-News"):
        read_rows(tmp_path / "full", "test")
