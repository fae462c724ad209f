"""Systems are scored article by article, in the same order."""

import pytest

from workshop.evaluation.chrf import chrf
from workshop.evaluation.copying import Copying
from workshop.evaluation.rouge import METRICS, rouge
from workshop.evaluation.scores import describe_systems, metric_label, score_systems

ARTICLES = ["김민수가 37%를 말했다. 비가 왔다.", "이영희가 5명을 뽑았다. 눈이 왔다."]
REFERENCES = ["김민수가 37%를 말했다", "이영희가 5명을 뽑았다"]
SYSTEMS = {"copy": REFERENCES, "wrong": ["김민주가 73%를 말했다", "이영희가 5명을 뽑았다"]}


def test_every_metric_has_one_value_per_article():
    scores = score_systems(ARTICLES, REFERENCES, SYSTEMS, names=[["김민수"], ["이영희"]])
    assert list(scores["copy"]) == [*METRICS, "chrf", "numbers_right", "names_right"]
    assert all(values.tolist() == [1, 1] for values in scores["copy"].values())
    assert scores["wrong"]["numbers_right"].tolist() == [0, 1]
    assert scores["wrong"]["names_right"].tolist() == [0, 1]
    expected = rouge(REFERENCES[0], SYSTEMS["wrong"][0])["syllable_rouge_l"].fmeasure
    assert scores["wrong"]["syllable_rouge_l"].tolist() == [expected, 1]


def test_every_scorer_gets_reference_and_summary_in_that_order():
    scores = score_systems(ARTICLES, REFERENCES, {"short": ["김민수가", "5명을"]})["short"]
    expected = [chrf(REFERENCES[0], "김민수가"), chrf(REFERENCES[1], "5명을")]
    assert scores["chrf"].tolist() == expected
    assert expected != [chrf("김민수가", REFERENCES[0]), chrf("5명을", REFERENCES[1])]
    described = describe_systems(ARTICLES, REFERENCES, {"short": ["김민수가", "5명을"]})["short"]
    assert described["length_ratio"].tolist() == [4 / 11, 3 / 10]


def test_names_are_scored_only_when_they_are_known():
    assert "names_right" not in score_systems(ARTICLES, REFERENCES, SYSTEMS)["copy"]


def test_lists_of_different_length_are_named():
    with pytest.raises(ValueError, match="2 articles, 2 references, 1 summaries of tuned"):
        score_systems(ARTICLES, REFERENCES, {"tuned": ["하나"]})


def test_how_summaries_are_written_has_one_value_per_article():
    described = describe_systems(ARTICLES, REFERENCES, SYSTEMS)
    assert {metric: values.size for metric, values in described["wrong"].items()} == dict.fromkeys(
        (*Copying._fields, "length_ratio", "repetition", "unfinished", "hangul", "empty"), 2
    )
    assert described["wrong"]["coverage"].tolist() == [1 / 3, 1]
    assert described["wrong"]["density"].tolist() == [1 / 3, 3]
    with pytest.raises(ValueError, match="1 summaries of tuned"):
        describe_systems(ARTICLES, REFERENCES, {"tuned": ["하나"]})


def test_labels_are_the_names_that_people_write():
    assert metric_label("word_rouge_l") == "word ROUGE-L"
    assert metric_label("syllable_rouge_2") == "syllable ROUGE-2"
    assert metric_label("morpheme_rouge_1") == "morpheme ROUGE-1"
    assert metric_label("chrf") == "chrF"
    assert metric_label("numbers_right") == "numbers right"
