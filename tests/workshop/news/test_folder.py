"""Folders as people, the hub and `datasets` lay them out."""

import json
import unicodedata
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workshop.errors import WorkshopError
from workshop.news.folder import split_names
from workshop.news.load import load
from workshop.news.table import SPLITS

from .conftest import article, row

ROWS = [row(document=article(number)) for number in range(30)]
DIVIDED = {"train": 24, "validation": 3, "test": 3}  # of 30 rows in one file


def write(path: Path, rows: list[dict]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix.lower() == ".csv":
        lines = ["document,summary", *(f"{row['document']},{row['summary']}" for row in rows)]
        path.write_text("\n".join(lines), encoding="utf-8")
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def documents(folder: Path) -> dict[str, list[str]]:
    return {split: rows["document"].tolist() for split, rows in load(str(folder), "full").splits.items()}


def error_of(folder: Path) -> WorkshopError:
    with pytest.raises(WorkshopError) as error:
        load(str(folder), "full")
    return error.value


@pytest.mark.parametrize(
    "names",
    [
        ("Train.csv", "Validation.CSV", "TEST.csv"),
        ("train.json", "Dev.jsonl", "test.parquet"),
        ("training.csv", "valid.csv", "testing.csv"),
        ("학습.csv", "검증.csv", "시험.csv"),
        (*(unicodedata.normalize("NFD", f"{name}.csv") for name in ("훈련", "검증", "테스트")),),
        ("data/train.csv", "data/val.csv", "data/test.csv"),
        ("train/news.csv", "validation/news.csv", "test/news.csv"),
        ("news/Train/a.csv", "news/Dev/a.csv", "news/Test/a.csv"),
        ("train.csv", "validation.csv", "test.csv", "data/train.csv"),  # the folder itself goes first
    ],
)
def test_splits_are_found_by_their_names(names: tuple[str, ...], tmp_path: Path) -> None:
    for number, name in enumerate(names):
        write(tmp_path / name, ROWS[number : number + 1])
    assert documents(tmp_path) == {split: [article(number)] for number, split in enumerate(SPLITS)}


@pytest.mark.parametrize(
    "name",
    [
        "._train.csv",
        ".train.csv",
        "~$train.csv",
        "__MACOSX/._train.csv",
        "__MACOSX/train.csv",
        ".cache/train.csv",
        ".git/train.csv",
        "train.csv.original",
        "README.md",
        "train.v1.csv",
    ],
)
@pytest.mark.parametrize("below", ["", "data/"])
def test_files_of_systems_and_programs_do_not_count(name: str, below: str, tmp_path: Path) -> None:
    for number, split in enumerate(SPLITS):
        write(tmp_path / f"{below}{split}.csv", ROWS[number : number + 1])
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"\x00\x05\x16\x07")
    (tmp_path / "train.txt.d").mkdir()
    assert documents(tmp_path)["train"] == [article(0)]


def test_what_lies_beside_the_file_of_a_split_is_no_news(tmp_path: Path) -> None:
    for number, split in enumerate(SPLITS):
        write(tmp_path / split / "a.csv", ROWS[number : number + 1])
        for name in ("readme.txt", "._a.csv", "~$a.csv", ".hidden.jsonl"):
            (tmp_path / split / name).write_text("x")
    assert documents(tmp_path)["test"] == [article(2)]


@pytest.mark.parametrize("end", ["", "-0123456789abcdef"])
@pytest.mark.parametrize("below", ["", "data/", "default/"])
def test_parts_of_a_clone_of_the_hub_are_read_in_their_order(end: str, below: str, tmp_path: Path) -> None:
    for number in reversed(range(12)):
        write(tmp_path / f"{below}train-{number:05}-of-00012{end}.parquet", ROWS[2 * number : 2 * number + 2])
    write(tmp_path / f"{below}validation-00000-of-00001{end}.parquet", ROWS[24:27])
    write(tmp_path / f"{below}test-00000-of-00001{end}.parquet", ROWS[27:])
    expected = [row["document"] for row in ROWS]
    assert documents(tmp_path) == {
        "train": expected[:24],
        "validation": expected[24:27],
        "test": expected[27:],
    }


def test_parts_of_the_hubs_own_conversion_are_read_in_their_order(tmp_path: Path) -> None:
    for split, num_parts in {"train": 3, "validation": 1, "test": 1}.items():
        for number in range(num_parts):
            write(tmp_path / "default" / split / f"{number:04}.parquet", ROWS[number : number + 1])
    assert documents(tmp_path)["train"] == [article(number) for number in range(3)]


@pytest.mark.parametrize("splits", [{"train": 1}, {"train": 3}, {"train": 2, "test": 1}])
def test_clone_of_a_data_set_with_other_splits_is_divided_as_the_hubs(
    splits: dict[str, int], tmp_path: Path
) -> None:
    rest = iter(ROWS)
    num_parts = sum(splits.values())
    for split, num_of_split in splits.items():
        for number in range(num_of_split):
            part = [next(rest) for _ in range(30 // num_parts)]
            write(tmp_path / f"data/{split}-{number:05}-of-{num_of_split:05}.parquet", part)
    assert dict(load(str(tmp_path), "full").num_loaded) == DIVIDED


def test_missing_part_is_named(tmp_path: Path) -> None:
    for number in (0, 2):
        write(tmp_path / f"data/train-{number:05}-of-00004.parquet", ROWS[:3])
    for split in ("validation", "test"):
        write(tmp_path / f"data/{split}-00000-of-00001.parquet", ROWS[:3])
    assert "without train-00001-of-00004, train-00003-of-00004" in error_of(tmp_path).found


@pytest.mark.parametrize(
    "names",
    [
        ("data/train-00000-of-00001.parquet", "data/train-00000-of-00001-0123456789abcdef.parquet"),
        ("ko/train-00000-of-00001.parquet", "en/train-00000-of-00001.parquet"),
        ("data/train-00000-of-00002.parquet", "data/train-00001-of-00002.csv"),
        ("train_1.csv/train.csv", "train_2/train.csv"),
        ("a/train.csv", "b/train.csv"),
        ("a/train-00000-of-00002.csv", "b/train-00001-of-00002.csv"),
    ],
)
def test_files_that_are_not_parts_of_one_are_refused_by_name(names: tuple[str, ...], tmp_path: Path) -> None:
    for name in names:
        write(tmp_path / name, ROWS[:3])
    error = error_of(tmp_path)
    assert "2 files for the split train" in error.found
    assert all(name in error.found for name in names)


@pytest.mark.parametrize("name", ["뉴스 모음.csv", "train.csv", "data/news.csv"])
def test_advice_to_name_a_single_file_works(name: str, tmp_path: Path) -> None:
    write(tmp_path / name, ROWS)
    step = error_of(tmp_path).next_step
    source = step.partition("such as ")[2].partition(", to have it divided")[0]
    assert dict(load(source, "full").num_loaded) == DIVIDED


@pytest.mark.parametrize("validation", ["validation", "valid", "dev"])
def test_folder_of_save_to_disk_keeps_its_splits(validation: str, tmp_path: Path) -> None:
    parts = {"test": ROWS[:5], "train": ROWS[5:20], validation: ROWS[20:]}
    saved = {split: datasets.Dataset.from_list(rows) for split, rows in parts.items()}
    datasets.DatasetDict(saved).save_to_disk(
        str(tmp_path / "saved"), num_shards={"train": 3, validation: 1, "test": 1}
    )
    found = documents(tmp_path / "saved")
    assert found == {
        "train": [row["document"] for row in parts["train"]],
        "validation": [row["document"] for row in parts[validation]],
        "test": [row["document"] for row in parts["test"]],
    }


@pytest.mark.parametrize("part", ["", "train"])
def test_one_data_set_that_was_saved_to_disk_is_divided(part: str, tmp_path: Path) -> None:
    whole = datasets.Dataset.from_list(ROWS)
    saved = datasets.DatasetDict({"train": whole}) if part else whole
    saved.save_to_disk(str(tmp_path / "saved"))
    assert dict(load(str(tmp_path / "saved"), "full").num_loaded) == DIVIDED
    assert dict(load(str(tmp_path / "saved" / part), "full").num_loaded) == DIVIDED


def test_damaged_folder_of_save_to_disk_is_refused(tmp_path: Path) -> None:
    datasets.Dataset.from_list(ROWS).save_to_disk(str(tmp_path / "saved"))
    shard = next((tmp_path / "saved").glob("*.arrow"))
    shard.write_bytes(shard.read_bytes()[:100])
    assert "save_to_disk" in error_of(tmp_path / "saved").found
    shard.unlink()
    assert "copy it again" in error_of(tmp_path / "saved").next_step


def test_name_as_it_stands_goes_before_another_of_the_same_split() -> None:
    assert split_names(["train", "dev", "validation", "extra"]) == {
        "train": "train",
        "validation": "validation",
    }
    assert split_names(["dev", "valid"]) == {}
