"""Leaked rows are found again, and what they would have done to a score is shown."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sample.news import generator
from workshop.errors import WorkshopError
from workshop.evaluation.leaks import closed_leaks, remembered, twins
from workshop.evaluation.scores import of_articles, score_systems
from workshop.evaluation.table import leak_table, percent_table
from workshop.news.clean import clean
from workshop.news.dataset import read_rows, write
from workshop.news.duplicates import without_leaks
from workshop.news.table import COLUMNS, News
from workshop.prompt import article_of, summary_of

TEST = list(generator.rows(20, seed=1))
TRAIN = list(generator.rows(30, seed=2))
VALIDATION = list(generator.rows(3, seed=3))
LEAKED = [3, 8, 17]
OTHER_SUMMARY = "한강시가 내년 3월부터 48억 원을 들여 심야 버스 노선 4개를 새로 만든다."
ARTICLES = [row["document"] for row in TEST]
REFERENCES = [row["summary"] for row in TEST]


def nearly(text: str) -> str:
    return text.replace(text.split()[-2], "바뀐말", 1)


@pytest.fixture
def dataset_dir(tmp_path: Path) -> Path:
    """A data set as notebook 01 writes it, of news whose training split had tested articles."""
    leaks = [
        TEST[3],
        TEST[8] | {"document": nearly(TEST[8]["document"])},
        TEST[17] | {"summary": OTHER_SUMMARY},
    ]
    tables = {
        split: pd.DataFrame(rows, columns=list(COLUMNS), dtype="str")
        for split, rows in (
            ("train", TRAIN + leaks + VALIDATION[:1]),
            ("validation", VALIDATION),
            ("test", TEST),
        )
    }
    news = News(splits=tables, num_loaded={split: len(table) for split, table in tables.items()})
    write(without_leaks(clean(news)), tmp_path / "full")
    return tmp_path / "full"


def test_the_training_split_that_was_written_has_no_twin(dataset_dir: Path):
    trained_on = [
        (article_of(row["messages"]), summary_of(row["messages"])) for row in read_rows(dataset_dir, "train")
    ]
    assert len(trained_on) == len(TRAIN)
    assert twins(ARTICLES, REFERENCES, trained_on) == [None] * len(TEST)


def test_the_rows_that_were_taken_out_are_twins_of_the_leaked_ones(dataset_dir: Path):
    others = closed_leaks(dataset_dir)
    assert len(others) == len(LEAKED)  # and not the row that validation has
    found = twins(ARTICLES, REFERENCES, others)
    assert [index for index, twin in enumerate(found) if twin is not None] == LEAKED
    assert [found[index] for index in LEAKED] == [TEST[3]["summary"], TEST[8]["summary"], OTHER_SUMMARY]


def test_the_most_similar_of_several_twins_counts():
    others = [(nearly(ARTICLES[0]), "nearly"), (ARTICLES[0], "same"), (nearly(ARTICLES[0]), "nearly")]
    assert twins(ARTICLES[:2], REFERENCES[:2], others) == ["same", None]


def test_without_leaks_there_is_no_twin():
    assert twins(ARTICLES, REFERENCES, []) == [None] * len(TEST)
    assert twins([], [], [("가", "나")]) == []


def test_a_model_that_remembers_gains_on_the_leaked_rows_alone():
    summaries = [text[: len(text) // 2] for text in REFERENCES]
    found = twins(ARTICLES, REFERENCES, [(ARTICLES[index], REFERENCES[index]) for index in LEAKED])
    scores = score_systems(
        ARTICLES, REFERENCES, {"tuned": summaries, "with leaks": remembered(summaries, found)}
    )
    is_leaked = np.array([twin is not None for twin in found])
    with_leaks, tuned = scores["with leaks"]["word_rouge_l"], scores["tuned"]["word_rouge_l"]
    assert (with_leaks[is_leaked] == 1).all()
    assert (with_leaks[~is_leaked] == tuned[~is_leaked]).all()
    gain = with_leaks.mean() - tuned.mean()
    assert gain == pytest.approx((1 - tuned[is_leaked]).sum() / len(TEST), abs=1e-9)
    table = leak_table(scores, is_leaked)
    assert list(table.index)[3:] == [
        "with leaks, all 20",
        "with leaks, 17 not leaked",
        "with leaks, 3 leaked",
    ]
    for part, taken in (("all 20", is_leaked | True), ("17 not leaked", ~is_leaked), ("3 leaked", is_leaked)):
        assert table.loc[f"with leaks, {part}", ("word_rouge_l", "mean")] == pytest.approx(
            with_leaks[taken].mean()
        )
    assert percent_table(table).loc["with leaks, 3 leaked", "word ROUGE-L"] == "100.0 [100.0, 100.0]"


def test_a_table_without_leaks_has_one_row_a_system():
    scores = score_systems(ARTICLES[:2], REFERENCES[:2], {"one": REFERENCES[:2]})
    assert list(leak_table(scores, [False, False]).index) == ["one, all 2"]
    assert list(leak_table(scores, [True, True]).index) == ["one, all 2", "one, 2 leaked"]


def test_scores_of_some_articles_keep_every_metric():
    scores = score_systems(ARTICLES[:3], REFERENCES[:3], {"one": REFERENCES[:3]})
    taken = of_articles(scores, [True, False, True])
    assert {metric: len(values) for metric, values in taken["one"].items()} == dict.fromkeys(scores["one"], 2)


def test_a_data_set_without_its_rejected_rows_names_the_notebook(tmp_path: Path):
    with pytest.raises(WorkshopError) as error:
        closed_leaks(tmp_path)
    assert "01-Prepare-Dataset-KR-News" in error.value.next_step
