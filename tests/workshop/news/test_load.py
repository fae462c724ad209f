"""One loader for every source."""

import json
import os
import subprocess
import sys
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sample.news import generator, names
from sample.news.topics import BY_NAME
from workshop.errors import WorkshopError
from workshop.news import load as load_module
from workshop.news.load import _split_seed, load
from workshop.news.table import COLUMNS, SPLITS

from .conftest import article, row


def write_jsonl(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def numbered(num_rows: int) -> list[dict]:
    return [row(document=article(number)) for number in range(num_rows)]


def documents(news) -> dict[str, list[str]]:
    return {split: rows["document"].tolist() for split, rows in news.splits.items()}


def test_small_sample_is_the_handwritten_news() -> None:
    news = load("sample", "small")
    assert dict(news.num_loaded) == {"train": 10, "validation": 10, "test": 10}
    assert all(list(rows.columns) == list(COLUMNS) for rows in news.splits.values())


def test_full_sample_is_generated_with_a_reserve_and_the_same_every_time() -> None:
    news, again, other = load("sample", "full"), load("sample", "full"), load("sample", "full", seed=1)
    assert dict(news.num_loaded) == {"train": 22_860, "validation": 2_540, "test": 2_823}
    assert all(news.splits[split].equals(again.splits[split]) for split in SPLITS)
    assert not set(news.splits["train"]["document"]) & set(other.splits["train"]["document"])
    held_out = {row["category"] for row in generator.rows(1, seed=1, topics=generator.HELD_OUT_TOPICS)}
    assert held_out <= set(news.splits["test"]["category"])


def test_held_out_topic_and_names_are_in_the_test_split_alone() -> None:
    news = load("sample", "full")
    field = BY_NAME["shipping"].field
    num_shipping = {split: rows["document"].str.contains(field).sum() for split, rows in news.splits.items()}
    assert num_shipping["train"] == num_shipping["validation"] == 0
    assert num_shipping["test"] > 100  # about one in sixteen
    for split, rows in news.splits.items():
        stems = rows["title"].str[:2]
        is_held_out = [names.is_held_out(names.COINED, *stem) for stem in stems]
        assert all(is_held_out) if split == "test" else not any(is_held_out)


def test_no_two_splits_share_a_seed_at_any_seed() -> None:
    seeds = [_split_seed(seed, split) for seed in range(1_000) for split in SPLITS]
    assert len(set(seeds)) == len(seeds)


def test_single_file_is_divided_by_its_text_whatever_the_order(tmp_path: Path) -> None:
    rows = numbered(300)
    forward = load(str(write_jsonl(tmp_path / "a.jsonl", rows)), "full")
    backward = load(str(write_jsonl(tmp_path / "b.jsonl", rows[::-1])), "full")
    assert dict(forward.num_loaded) == {"train": 243, "validation": 27, "test": 30}
    for split in SPLITS:
        assert documents(forward)[split] == documents(backward)[split][::-1]
    everything = [text for split in SPLITS for text in documents(forward)[split]]
    assert sorted(everything) == sorted(row["document"] for row in rows)


def test_small_data_set_takes_a_part_of_a_large_file(tmp_path: Path) -> None:
    news = load(str(write_jsonl(tmp_path / "a.jsonl", numbered(400))), "small")
    assert dict(news.num_loaded) == {"train": 50, "validation": 50, "test": 50}


def test_folder_keeps_its_splits_in_any_mix_of_kinds(tmp_path: Path) -> None:
    rows = numbered(9)
    write_jsonl(tmp_path / "train.jsonl", rows[:4])
    (tmp_path / "val.csv").write_text(
        "document,summary\n" + "".join(f"{r['document']},요약\n" for r in rows[4:7])
    )
    pq.write_table(pa.Table.from_pylist(rows[7:]), tmp_path / "test.parquet")
    (tmp_path / "README.md").write_text("x")
    found = documents(load(str(tmp_path), "full"))
    expected = [row["document"] for row in rows]
    assert found == {"train": expected[:4], "validation": expected[4:7], "test": expected[7:]}


def test_folder_without_a_split_or_with_two_files_for_it_is_refused(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "train.jsonl", numbered(3))
    with pytest.raises(WorkshopError, match=r"0 files for the split validation .*train\.jsonl"):
        load(str(tmp_path), "full")
    write_jsonl(tmp_path / "dev.jsonl", numbered(3))
    write_jsonl(tmp_path / "val.jsonl", numbered(3))
    with pytest.raises(WorkshopError, match="2 files for the split validation"):
        load(str(tmp_path), "full")


def test_file_with_fewer_rows_than_splits_is_refused(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", numbered(2))
    with pytest.raises(WorkshopError, match="2 rows in"):
        load(str(path), "full")
    assert dict(load(str(write_jsonl(path, numbered(3))), "full").num_loaded) == dict.fromkeys(SPLITS, 1)


def test_relative_path_is_relative_to_the_given_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_jsonl(tmp_path / "news.jsonl", numbered(3))
    monkeypatch.chdir("/")
    assert sum(load("news.jsonl", "full", base_dir=tmp_path).num_loaded.values()) == 3


@pytest.mark.parametrize("source", ["news.csv", "data/news.jsonl", "smaple", "/nowhere", "a/b/c", ""])
def test_source_that_is_nothing_names_what_it_could_be(source: str, tmp_path: Path) -> None:
    # An empty source would be the folder itself: it is refused for its missing splits.
    with pytest.raises(WorkshopError) as error:
        load(source, "full", base_dir=tmp_path)
    assert "news_source" in error.value.next_step
    assert list(tmp_path.iterdir()) == []


def test_unknown_data_set_name_is_refused() -> None:
    with pytest.raises(WorkshopError, match="'medium'"):
        load("sample", "medium")


def run_without_hub(source: str, cwd: Path, **environment: str) -> str:
    """Load in a process of its own: the hub's address and the cache are read when it is imported."""
    code = (
        "import sys\nfrom workshop.errors import WorkshopError\nfrom workshop.news.load import load\n"
        f"try: load({source!r}, 'full')\n"
        "except WorkshopError as error: print(error)"
    )
    # Port 9 (discard) is closed: the connection is refused at once, as without a network.
    closed = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(cwd / "hf"), **environment}
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | closed,
        cwd=cwd,
    )
    assert run.returncode == 0, run.stderr
    assert "Retrying" not in run.stderr
    return run.stdout


@pytest.mark.parametrize("offline", ["0", "1"])
def test_hub_out_of_reach_is_said_at_once_and_leaves_nothing(offline: str, tmp_path: Path) -> None:
    output = run_without_hub("daekeun-ml/naver-news-summarization-ko", tmp_path, HF_HUB_OFFLINE=offline)
    assert "no connection to the hub for daekeun-ml/naver-news-summarization-ko" in output
    assert "news_source: sample" in output
    assert list(tmp_path.rglob("*.arrow")) == []


def on_hub(monkeypatch: pytest.MonkeyPatch, **splits: list[dict]) -> None:
    """Stand in for the hub, which tests cannot reach; the data set it gives is a real one."""
    made = datasets.DatasetDict({split: datasets.Dataset.from_list(rows) for split, rows in splits.items()})
    monkeypatch.setattr(load_module, "download", lambda name: made)


def test_hub_data_set_keeps_its_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{**row, "extra": 1} for row in numbered(300)]
    on_hub(monkeypatch, test=rows[:50], train=rows[50:250], validation=rows[250:])
    found = documents(load("owner/news", "full"))
    assert {split: len(texts) for split, texts in found.items()} == {
        "train": 200,
        "validation": 50,
        "test": 50,
    }
    assert found["test"] == [row["document"] for row in rows[:50]]
    small = load("owner/news", "small")
    assert dict(small.num_loaded) == dict.fromkeys(SPLITS, 50)


def test_hub_data_set_with_other_splits_is_divided_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = numbered(100)
    on_hub(monkeypatch, train=rows[:60], extra=rows[60:])
    news = load("owner/news", "full")
    assert dict(news.num_loaded) == {"train": 81, "validation": 9, "test": 10}


def test_hub_data_set_without_the_columns_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    on_hub(monkeypatch, train=[{"text": "a", "summary": "b"}])
    with pytest.raises(WorkshopError, match="the split train of owner/news"):
        load("owner/news", "full")


MEMORY = """
import resource, sys
from pathlib import Path
import pandas, pyarrow, pyarrow.compute, pyarrow.csv, pyarrow.parquet
from workshop.news.files import read_file
from workshop.news.table import to_table

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
table = to_table(read_file(Path(sys.argv[1])))
unit = 1 if sys.platform == "darwin" else 1024
growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit
size = sum(table[name].array.__arrow_array__().nbytes for name in table)
print(len(table), size, growth, pyarrow.default_memory_pool().max_memory())
"""


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_memory_does_not_grow_beyond_the_table(kind: str, tmp_path: Path) -> None:
    num_rows = 27_400
    rows = generator.rows(num_rows, seed=3)
    # Three articles in one: about as long as those of the public data set.
    texts = pa.Table.from_pylist([{**row, "document": "\n".join([row["document"]] * 3)} for row in rows])
    path = tmp_path / f"news.{kind}"
    if kind == "parquet":
        pq.write_table(texts, path)
    elif kind == "csv":
        import pyarrow.csv

        pyarrow.csv.write_csv(texts, path)
    else:
        write_jsonl(path, texts.to_pylist())
    run = subprocess.run(
        [sys.executable, "-c", MEMORY, str(path)], capture_output=True, text=True, check=True
    )
    num_read, size, growth, arrow_peak = map(int, run.stdout.split())
    assert num_read == num_rows
    assert size > 40 << 20
    # Measured 1.01 to 1.2: a batch, a block, or a compressed group of rows beside the table.
    assert arrow_peak < 1.35 * size
    # Measured 1.6 to 2.0, of which the allocator's reserve is a third; reading whole files takes 3 to 5.
    assert growth < 2.5 * size
