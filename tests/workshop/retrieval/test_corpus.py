"""The corpus is the repository's own news in every mode, and each question has its article in it."""

from collections import Counter
from dataclasses import replace

import pytest

from sample.news import names
from workshop.errors import WorkshopError
from workshop.evaluation.right_answers import is_right_answer
from workshop.retrieval.corpus import load_corpus
from workshop.settings import Settings, load_settings


def test_every_question_is_answered_by_the_article_that_it_names(settings: Settings) -> None:
    corpus = load_corpus(settings)
    by_id = {article.id: article for article in corpus.articles}
    assert len(by_id) == settings.num_corpus_articles
    questions = [*corpus.generated_questions(100, seed=1), *corpus.handwritten_questions()]
    assert len({question.id for question in questions}) == 160
    for question in questions:
        assert question.answers[0] in by_id[question.article_id].document, question
        assert all(is_right_answer(answer, question.answers) for answer in question.answers), question


def test_the_articles_stand_by_date_with_thirty_written_by_hand_among_them(settings: Settings) -> None:
    articles = load_corpus(settings).articles
    assert [article.date for article in articles] == sorted(article.date for article in articles)
    kinds = Counter(article.id.split("/")[0] for article in articles)
    assert kinds == {"handwritten": 30, "generated": settings.num_corpus_articles - 30}
    assert {article.id.split("/")[0] for article in articles[:60]} == set(kinds)
    assert all(article.text == f"{article.title}\n{article.document}" for article in articles)


def test_generated_articles_have_names_that_no_training_text_has(settings: Settings) -> None:
    corpus = load_corpus(settings)
    places = [q.answers[0] for q in corpus.generated_questions(100, seed=1) if q.asks_for == "place"]
    assert len(places) == 20
    assert all(names.is_held_out(names.COINED, *place[:2]) for place in places)


def test_another_mode_has_more_articles_of_the_same_kind(settings: Settings, repo_dir) -> None:
    full = load_settings(repo_dir, environ={"WORKSHOP_MODE": "full"})
    few, many = load_corpus(settings).articles, load_corpus(full).articles
    assert len(few) == settings.num_corpus_articles < len(many) == full.num_corpus_articles
    assert set(few) < set(many)


def test_the_base_model_is_asked_in_its_own_words_and_of_a_written_article_in_the_readers(
    settings: Settings,
) -> None:
    corpus = load_corpus(settings)
    for question in corpus.generated_questions(25, seed=1):
        assert question.model_text.endswith("?")
        assert question.model_text != question.text
    assert all(question.model_text == question.text for question in corpus.handwritten_questions())


@pytest.mark.parametrize("num_articles", [80, 200])
def test_a_corpus_of_any_mode_has_two_hundred_questions(settings: Settings, num_articles: int) -> None:
    corpus = load_corpus(replace(settings, num_corpus_articles=num_articles))
    assert len(corpus.generated_questions(200, seed=1)) == 200


def test_more_questions_than_there_are_and_too_few_or_many_articles_say_what_to_do(
    settings: Settings,
) -> None:
    with pytest.raises(WorkshopError, match="ask for fewer questions"):
        load_corpus(settings).generated_questions(5_000, seed=1)
    for wrong in (79, 301):
        with pytest.raises(WorkshopError, match="80 to 300"):
            replace(settings, num_corpus_articles=wrong)
